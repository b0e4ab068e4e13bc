package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

const account = "111122223333"

// guid returns a UUID derived from a name.
func guid(of string) string {
	sum := hex.EncodeToString(hash(of))
	return strings.Join([]string{sum[:8], sum[8:12], "4" + sum[13:16], "a" + sum[17:20], sum[20:32]}, "-")
}

func hash(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// shape describes a type's physical id and attributes. In a pattern, {id} is
// the physical id, {logical} the logical id, {hash} 17 hexadecimal digits,
// {uuid} a UUID, {generated} a generated name, {bucket} a generated bucket
// name, and {=Name} a property of the resource.
type shape struct {
	// name is the property with the resource's name, if the type has one.
	name string
	// id is the physical id of a resource without such a name.
	id         string
	attributes map[string]string
}

// shapes returns the types whose ids or attributes a check uses. Every other
// type has a generated name and arbitrary attributes.
func shapes() map[string]shape {
	return map[string]shape{
		"AWS::ApiGateway::Account":           {id: "{hash}"},
		"AWS::ApiGateway::Deployment":        {id: "dep{hash}", attributes: map[string]string{"DeploymentId": "dep{hash}"}},
		"AWS::ApiGateway::Model":             {name: "Name"},
		"AWS::ApiGateway::RequestValidator":  {id: "val{hash}", attributes: map[string]string{"RequestValidatorId": "val{hash}"}},
		"AWS::ApiGateway::Resource":          {id: "res{hash}", attributes: map[string]string{"ResourceId": "res{hash}"}},
		"AWS::ApiGateway::RestApi":           {id: "api{hash}", attributes: map[string]string{"RootResourceId": "root{hash}", "RestApiId": "api{hash}"}},
		"AWS::ApiGateway::Stage":             {name: "StageName"},
		"AWS::CloudWatch::Alarm":             {name: "AlarmName", attributes: map[string]string{"Arn": "arn:{p}:cloudwatch:{r}:{a}:alarm:{id}"}},
		"AWS::CloudWatch::Dashboard":         {name: "DashboardName"},
		"AWS::EC2::FlowLog":                  {id: "fl-{hash}", attributes: map[string]string{"Id": "fl-{hash}"}},
		"AWS::EC2::RouteTable":               {id: "rtb-{hash}", attributes: map[string]string{"RouteTableId": "rtb-{hash}"}},
		"AWS::EC2::SecurityGroup":            {id: "sg-{hash}", attributes: map[string]string{"GroupId": "sg-{hash}", "Id": "sg-{hash}", "VpcId": "{=VpcId}"}},
		"AWS::EC2::Subnet":                   {id: "subnet-{hash}", attributes: map[string]string{"SubnetId": "subnet-{hash}", "AvailabilityZone": "{=AvailabilityZone}", "CidrBlock": "{=CidrBlock}", "VpcId": "{=VpcId}"}},
		"AWS::EC2::VPC":                      {id: "vpc-{hash}", attributes: map[string]string{"VpcId": "vpc-{hash}", "CidrBlock": "{=CidrBlock}", "DefaultSecurityGroup": "sg-default-{hash}", "DefaultNetworkAcl": "acl-{hash}"}},
		"AWS::EC2::VPCEndpoint":              {id: "vpce-{hash}", attributes: map[string]string{"Id": "vpce-{hash}"}},
		"AWS::Events::Rule":                  {name: "Name", attributes: map[string]string{"Arn": "arn:{p}:events:{r}:{a}:rule/{id}"}},
		"AWS::ElastiCache::ReplicationGroup": {name: "ReplicationGroupId", id: "rg{hash}", attributes: map[string]string{"PrimaryEndPoint.Address": "master.{id}.cache.amazonaws.com", "PrimaryEndPoint.Port": "{=Port}", "ReaderEndPoint.Address": "replica.{id}.cache.amazonaws.com", "ReaderEndPoint.Port": "{=Port}", "ConfigurationEndPoint.Address": "", "ConfigurationEndPoint.Port": ""}},
		"AWS::ElastiCache::User":             {name: "UserId", attributes: map[string]string{"Arn": "arn:{p}:elasticache:{r}:{a}:user:{id}", "Status": "active"}},
		"AWS::ElastiCache::UserGroup":        {name: "UserGroupId", attributes: map[string]string{"Arn": "arn:{p}:elasticache:{r}:{a}:usergroup:{id}", "Status": "active"}},
		"AWS::IAM::ManagedPolicy":            {id: "arn:{p}:iam::{a}:policy/{=ManagedPolicyName}{generated}", attributes: map[string]string{"PolicyArn": "arn:{p}:iam::{a}:policy/{=ManagedPolicyName}{generated}"}},
		"AWS::IAM::Role":                     {name: "RoleName", attributes: map[string]string{"Arn": "arn:{p}:iam::{a}:role/{id}", "RoleId": "AROA{hash}"}},
		"AWS::KMS::Key":                      {id: "{uuid}", attributes: map[string]string{"Arn": "arn:{p}:kms:{r}:{a}:key/{uuid}", "KeyId": "{uuid}"}},
		"AWS::KMS::Alias":                    {name: "AliasName"},
		"AWS::Kinesis::Stream":               {name: "Name", attributes: map[string]string{"Arn": "arn:{p}:kinesis:{r}:{a}:stream/{id}"}},
		"AWS::Lambda::Alias":                 {id: "arn:{p}:lambda:{r}:{a}:function:{=FunctionName}:{=Name}", attributes: map[string]string{"AliasArn": "arn:{p}:lambda:{r}:{a}:function:{=FunctionName}:{=Name}"}},
		"AWS::Lambda::EventSourceMapping":    {id: "{uuid}", attributes: map[string]string{"Id": "{uuid}", "EventSourceMappingArn": "arn:{p}:lambda:{r}:{a}:event-source-mapping:{uuid}"}},
		"AWS::Lambda::Function":              {name: "FunctionName", attributes: map[string]string{"Arn": "arn:{p}:lambda:{r}:{a}:function:{id}"}},
		"AWS::Lambda::Version":               {id: "arn:{p}:lambda:{r}:{a}:function:{=FunctionName}:1", attributes: map[string]string{"Version": "1", "FunctionArn": "arn:{p}:lambda:{r}:{a}:function:{=FunctionName}:1"}},
		"AWS::Logs::LogGroup":                {name: "LogGroupName", attributes: map[string]string{"Arn": "arn:{p}:logs:{r}:{a}:log-group:{id}:*"}},
		"AWS::RDS::DBInstance":               {name: "DBInstanceIdentifier", attributes: map[string]string{"Endpoint.Address": "{hash}.rds.amazonaws.com", "Endpoint.Port": "5432", "DbiResourceId": "db-{hash}", "DBInstanceArn": "arn:{p}:rds:{r}:{a}:db:{id}"}},
		"AWS::S3::Bucket":                    {name: "BucketName", id: "{bucket}", attributes: map[string]string{"Arn": "arn:{p}:s3:::{id}", "DomainName": "{id}.s3.amazonaws.com", "RegionalDomainName": "{id}.s3.{r}.amazonaws.com"}},
		"AWS::SNS::Topic":                    {id: "arn:{p}:sns:{r}:{a}:{=TopicName}{generated}", attributes: map[string]string{"TopicArn": "arn:{p}:sns:{r}:{a}:{=TopicName}{generated}", "TopicName": "{=TopicName}{generated}"}},
		"AWS::SQS::Queue":                    {id: "https://sqs.{r}.amazonaws.com/{a}/{generated}", attributes: map[string]string{"Arn": "arn:{p}:sqs:{r}:{a}:{generated}", "QueueName": "{generated}", "QueueUrl": "https://sqs.{r}.amazonaws.com/{a}/{generated}"}},
		"AWS::SecretsManager::Secret":        {id: "arn:{p}:secretsmanager:{r}:{a}:secret:{generated}", attributes: map[string]string{"Id": "arn:{p}:secretsmanager:{r}:{a}:secret:{generated}"}},
		"AWS::WAFv2::WebACL":                 {id: "{generated}|{uuid}|REGIONAL", attributes: map[string]string{"Arn": "arn:{p}:wafv2:{r}:{a}:regional/webacl/{generated}/{uuid}", "Id": "{uuid}"}},
	}
}

// standIn returns the value of Ref (attribute "") or GetAtt for a resource.
func (v *View) standIn(r cfn.Resource, attribute string, property func(string) any) any {
	key := r.ID + "." + attribute
	if _, known := v.values[key]; !known {
		v.values[key] = v.makeStandIn(r, attribute, property)
	}
	return v.values[key]
}

func (v *View) makeStandIn(r cfn.Resource, attribute string, property func(string) any) any {
	s, known := v.shapes[r.Type]
	logical := strings.ToLower(r.ID)
	generated := v.stack.Name + "-" + r.ID + "-" + strings.ToUpper(hex.EncodeToString(hash(v.stack.ID + r.ID))[:12])
	sum := hex.EncodeToString(hash(v.stack.ID + r.ID + "id"))
	// The form of CloudFormation's bucket names: small letters, at most 63.
	bucket := strings.ToLower(v.stack.Name[:min(25, len(v.stack.Name))] + "-" + r.ID[:min(24, len(r.ID))] + "-" + sum[:12])
	fill := strings.NewReplacer("{p}", v.stack.Partition, "{r}", v.stack.Region, "{a}", account, "{logical}", logical, "{hash}", sum[:17], "{uuid}", guid(sum), "{bucket}", bucket)
	expand := func(pattern, id string) string {
		out := strings.ReplaceAll(fill.Replace(pattern), "{id}", id)
		name := ""
		for {
			inside, ok := between(out, "{=", "}")
			if !ok {
				break
			}
			name = text(property(inside))
			out = strings.Replace(out, "{="+inside+"}", name, 1)
		}
		if name == "" {
			name = generated
		} else {
			name = ""
		}
		return strings.ReplaceAll(out, "{generated}", name)
	}
	id := generated
	if s.id != "" {
		id = expand(s.id, "")
	}
	if name := text(property(s.name)); s.name != "" && name != "" {
		id = name
	}
	if attribute == "" {
		return id
	}
	if pattern, ok := s.attributes[attribute]; ok {
		return expand(pattern, id)
	}
	if known {
		return nil // CloudFormation rejects it
	}
	return expand("arn:{p}:"+strings.ToLower(r.Type)+":{r}:{a}:{logical}/"+attribute, id)
}

// value returns Ref or GetAtt of an evaluated resource.
func (v *View) value(r cfn.Resource, attribute string) any {
	return v.standIn(r, attribute, func(name string) any { return r.Properties[name] })
}

// own records the values of a resource.
func (v *View) own(r cfn.Resource) {
	values := []string{v.physicalID(r)}
	s := v.shapes[r.Type]
	for _, name := range slices.Sorted(maps.Keys(s.attributes)) {
		pattern := s.attributes[name]
		if strings.Contains(pattern, "{id}") || strings.Contains(pattern, "{hash}") || strings.Contains(pattern, "{uuid}") || strings.Contains(pattern, "{generated}") || strings.Contains(pattern, "{bucket}") {
			values = append(values, text(v.value(r, name)))
		}
	}
	for _, value := range slices.Compact(slices.Sorted(slices.Values(values))) {
		v.owners[value] = append(v.owners[value], r.ID)
	}
}

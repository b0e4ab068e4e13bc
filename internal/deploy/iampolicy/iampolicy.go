// Package iampolicy writes the policy documents of the identity that deploys.
package iampolicy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Scope limits the permissions of a deploy.
type Scope struct {
	Partition, Account, Region string
	Stack, ArtifactBucket      string
}

// callerActions are the actions of the calls that this program makes itself.
var callerActions = map[string][]string{
	"cloudformation": {
		"CreateStack", "UpdateStack", "DeleteStack", "CancelUpdateStack", "ContinueUpdateRollback", "DescribeStacks", "DescribeStackEvents", "DescribeEvents", "DescribeStackResource", "ListStackResources",
		"GetTemplate", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet", "UpdateTerminationProtection", "GetStackPolicy", "SetStackPolicy", "TagResource",
	},
	"s3": {
		"CreateBucket", "ListBucket", "GetBucketVersioning", "PutBucketVersioning", "PutBucketPublicAccessBlock", "PutEncryptionConfiguration", "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy",
		"GetObject", "PutObject", "DeleteObject", "DeleteObjectVersion", "ListBucketVersions", "ListBucketMultipartUploads", "AbortMultipartUpload",
	},
	"lambda":     {"GetEventSourceMapping", "ListEventSourceMappings", "UpdateEventSourceMapping", "GetFunction"},
	"rds":        {"DescribeDBInstances", "DescribeDBSnapshots", "ModifyDBInstance", "DeleteDBInstance", "CreateDBSnapshot", "CopyDBSnapshot", "DeleteDBSnapshot"},
	"apigateway": {"GET", "PATCH"},
	"logs":       {"FilterLogEvents", "DescribeLogGroups", "DeleteLogGroup"},
	"cloudwatch": {"GetMetricData"},
	"ec2":        {"DescribeNetworkInterfaces"},
	"kms":        {"DescribeKey", "ScheduleKeyDeletion"},
}

// handlers are the actions with which CloudFormation creates, updates and deletes
// the resources of a type, with the permissions of the identity that deploys.
var handlers = map[string][]string{
	"AWS::ApiGateway::":                     {"apigateway:GET", "apigateway:POST", "apigateway:PUT", "apigateway:PATCH", "apigateway:DELETE", "apigateway:SetWebACL", "apigateway:AddCertificateToDomain", "apigateway:RemoveCertificateFromDomain"},
	"AWS::CloudWatch::Alarm":                {"cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:TagResource", "cloudwatch:UntagResource", "cloudwatch:ListTagsForResource"},
	"AWS::CloudWatch::Dashboard":            {"cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards"},
	"AWS::EC2::FlowLog":                     {"ec2:CreateFlowLogs", "ec2:DeleteFlowLogs", "ec2:DescribeFlowLogs", "logs:CreateLogDelivery", "logs:DeleteLogDelivery"},
	"AWS::EC2::RouteTable":                  {"ec2:CreateRouteTable", "ec2:DeleteRouteTable", "ec2:DescribeRouteTables"},
	"AWS::EC2::SecurityGroup":               {"ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup", "ec2:DescribeSecurityGroups", "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress", "ec2:DescribeSecurityGroupRules"},
	"AWS::EC2::SecurityGroupEgress":         nil,
	"AWS::EC2::SecurityGroupIngress":        nil,
	"AWS::EC2::Subnet":                      {"ec2:CreateSubnet", "ec2:DeleteSubnet", "ec2:DescribeSubnets", "ec2:ModifySubnetAttribute", "ec2:DescribeAvailabilityZones"},
	"AWS::EC2::SubnetRouteTableAssociation": {"ec2:AssociateRouteTable", "ec2:DisassociateRouteTable"},
	"AWS::EC2::VPC":                         {"ec2:CreateVpc", "ec2:DeleteVpc", "ec2:DescribeVpcs", "ec2:DescribeVpcAttribute", "ec2:ModifyVpcAttribute", "ec2:DescribeNetworkAcls", "ec2:CreateTags", "ec2:DeleteTags", "ec2:DescribeTags"},
	"AWS::EC2::VPCEndpoint":                 {"ec2:CreateVpcEndpoint", "ec2:ModifyVpcEndpoint", "ec2:DeleteVpcEndpoints", "ec2:DescribeVpcEndpoints", "ec2:DescribePrefixLists", "ec2:DescribeManagedPrefixLists"},
	"AWS::ElastiCache::ParameterGroup":      {"elasticache:CreateCacheParameterGroup", "elasticache:ModifyCacheParameterGroup", "elasticache:DeleteCacheParameterGroup", "elasticache:DescribeCacheParameterGroups", "elasticache:DescribeCacheParameters", "elasticache:DescribeEngineDefaultParameters"},
	"AWS::ElastiCache::ReplicationGroup":    {"elasticache:CreateReplicationGroup", "elasticache:ModifyReplicationGroup", "elasticache:DeleteReplicationGroup", "elasticache:DescribeReplicationGroups", "elasticache:DescribeCacheClusters", "elasticache:IncreaseReplicaCount", "elasticache:DecreaseReplicaCount", "elasticache:AddTagsToResource", "elasticache:RemoveTagsFromResource", "elasticache:ListTagsForResource"},
	"AWS::ElastiCache::SubnetGroup":         {"elasticache:CreateCacheSubnetGroup", "elasticache:ModifyCacheSubnetGroup", "elasticache:DeleteCacheSubnetGroup", "elasticache:DescribeCacheSubnetGroups"},
	"AWS::ElastiCache::User":                {"elasticache:CreateUser", "elasticache:ModifyUser", "elasticache:DeleteUser", "elasticache:DescribeUsers"},
	"AWS::ElastiCache::UserGroup":           {"elasticache:CreateUserGroup", "elasticache:ModifyUserGroup", "elasticache:DeleteUserGroup", "elasticache:DescribeUserGroups"},
	"AWS::Events::Rule":                     {"events:PutRule", "events:DeleteRule", "events:DescribeRule", "events:PutTargets", "events:RemoveTargets", "events:ListTargetsByRule", "events:TagResource", "events:UntagResource", "events:ListTagsForResource"},
	"AWS::IAM::":                            {"iam:CreateRole", "iam:DeleteRole", "iam:GetRole", "iam:UpdateRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:ListAttachedRolePolicies", "iam:PutRolePermissionsBoundary", "iam:TagRole", "iam:UntagRole", "iam:ListRoleTags", "iam:PassRole", "iam:CreatePolicy", "iam:DeletePolicy", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:ListPolicyVersions", "iam:TagPolicy", "iam:UntagPolicy"},
	"AWS::KMS::Alias":                       {"kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias", "kms:ListAliases"},
	"AWS::KMS::Key":                         {"kms:CreateKey", "kms:DescribeKey", "kms:PutKeyPolicy", "kms:GetKeyPolicy", "kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:GetKeyRotationStatus", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:ListResourceTags", "kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey"},
	"AWS::Kinesis::Stream":                  {"kinesis:CreateStream", "kinesis:DeleteStream", "kinesis:DescribeStreamSummary", "kinesis:UpdateShardCount", "kinesis:UpdateStreamMode", "kinesis:IncreaseStreamRetentionPeriod", "kinesis:DecreaseStreamRetentionPeriod", "kinesis:StartStreamEncryption", "kinesis:StopStreamEncryption", "kinesis:AddTagsToStream", "kinesis:RemoveTagsFromStream", "kinesis:ListTagsForStream"},
	"AWS::Lambda::Alias":                    {"lambda:CreateAlias", "lambda:UpdateAlias", "lambda:DeleteAlias", "lambda:GetAlias", "lambda:PutProvisionedConcurrencyConfig", "lambda:GetProvisionedConcurrencyConfig", "lambda:DeleteProvisionedConcurrencyConfig"},
	"AWS::Lambda::EventSourceMapping":       {"lambda:CreateEventSourceMapping", "lambda:UpdateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:GetEventSourceMapping"},
	"AWS::Lambda::Function":                 {"lambda:CreateFunction", "lambda:DeleteFunction", "lambda:GetFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency", "lambda:TagResource", "lambda:UntagResource", "lambda:ListTags", "lambda:InvokeFunction"},
	"AWS::Lambda::Permission":               {"lambda:AddPermission", "lambda:RemovePermission", "lambda:GetPolicy"},
	"AWS::Lambda::Version":                  {"lambda:PublishVersion", "lambda:ListVersionsByFunction"},
	"AWS::Logs::LogGroup":                   {"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DescribeLogGroups", "logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy", "logs:TagResource", "logs:UntagResource", "logs:ListTagsForResource"},
	"AWS::RDS::DBInstance":                  {"rds:CreateDBInstance", "rds:CreateDBInstanceReadReplica", "rds:ModifyDBInstance", "rds:DeleteDBInstance", "rds:DescribeDBInstances", "rds:CreateDBSnapshot", "rds:DescribeDBSnapshots", "rds:RebootDBInstance", "rds:AddTagsToResource", "rds:RemoveTagsFromResource", "rds:ListTagsForResource"},
	"AWS::RDS::DBParameterGroup":            {"rds:CreateDBParameterGroup", "rds:ModifyDBParameterGroup", "rds:DeleteDBParameterGroup", "rds:DescribeDBParameterGroups", "rds:DescribeDBParameters", "rds:DescribeEngineDefaultParameters"},
	"AWS::RDS::DBSubnetGroup":               {"rds:CreateDBSubnetGroup", "rds:ModifyDBSubnetGroup", "rds:DeleteDBSubnetGroup", "rds:DescribeDBSubnetGroups"},
	"AWS::Route53::RecordSet":               {"route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets", "route53:GetChange", "route53:GetHostedZone"},
	"AWS::S3::Bucket":                       {"s3:CreateBucket", "s3:DeleteBucket", "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration", "s3:PutBucketPublicAccessBlock", "s3:PutBucketOwnershipControls", "s3:PutLifecycleConfiguration", "s3:PutReplicationConfiguration", "s3:PutBucketObjectLockConfiguration", "s3:PutBucketTagging", "s3:GetBucketTagging"},
	"AWS::S3::BucketPolicy":                 {"s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"},
	"AWS::SNS::":                            {"sns:CreateTopic", "sns:DeleteTopic", "sns:GetTopicAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:Unsubscribe", "sns:ListSubscriptionsByTopic", "sns:TagResource", "sns:UntagResource", "sns:ListTagsForResource"},
	"AWS::WAFv2::":                          {"wafv2:CreateWebACL", "wafv2:UpdateWebACL", "wafv2:DeleteWebACL", "wafv2:GetWebACL", "wafv2:AssociateWebACL", "wafv2:DisassociateWebACL", "wafv2:GetWebACLForResource", "wafv2:PutLoggingConfiguration", "wafv2:GetLoggingConfiguration", "wafv2:DeleteLoggingConfiguration", "wafv2:TagResource", "wafv2:ListTagsForResource"},
	"Custom::":                              {"lambda:InvokeFunction"},
}

// actionsOf returns the actions for a type, by its longest prefix in handlers; ok is
// false for a type that handlers lacks.
func actionsOf(resourceType string) (actions []string, ok bool) {
	best := ""
	for prefix := range handlers {
		if strings.HasPrefix(resourceType, prefix) && (strings.HasSuffix(prefix, "::") || prefix == resourceType) && len(prefix) > len(best) {
			best = prefix
		}
	}
	return handlers[best], best != ""
}

type policyStatement struct {
	Sid       string         `json:"Sid"`
	Effect    string         `json:"Effect"`
	Action    []string       `json:"Action"`
	Resource  []string       `json:"Resource"`
	Condition map[string]any `json:"Condition,omitempty"`
}

type policyDocument struct {
	Version   string            `json:"Version"`
	Statement []policyStatement `json:"Statement"`
}

// Documents returns the policy documents with the permissions that deploying a
// template of these resource types needs: for the calls of this program, and for
// CloudFormation's with the same credentials. IAM's limit is 6,144 characters per
// managed policy, without white space.
func Documents(s Scope, types []string) ([][]byte, error) {
	actions := map[string]bool{}
	for service, names := range callerActions {
		for _, name := range names {
			actions[service+":"+name] = true
		}
	}
	for _, t := range types {
		list, ok := actionsOf(t)
		if !ok {
			return nil, fmt.Errorf("list permissions: type %s is unknown", t)
		}
		for _, a := range list {
			actions[a] = true
		}
	}
	var documents [][]byte
	for _, statements := range [][]policyStatement{s.scoped(actions), s.regional(actions)} {
		text, err := json.MarshalIndent(policyDocument{"2012-10-17", statements}, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("list permissions: %w", err)
		}
		documents = append(documents, text)
	}
	return documents, nil
}

// pick returns the actions of some services.
func pick(actions map[string]bool, services ...string) []string {
	var out []string
	for _, a := range slices.Sorted(maps.Keys(actions)) {
		service, _, _ := strings.Cut(a, ":")
		if slices.Contains(services, service) {
			out = append(out, a)
		}
	}
	return out
}

// scoped returns the statements of services whose resource names are known before.
func (s Scope) scoped(actions map[string]bool) []policyStatement {
	arn := func(service, region, account, resource string) string {
		return "arn:" + s.Partition + ":" + service + ":" + region + ":" + account + ":" + resource
	}
	buckets := []string{arn("s3", "", "", s.ArtifactBucket), arn("s3", "", "", s.ArtifactBucket+"/*"), arn("s3", "", "", strings.ToLower(s.Stack)+"-*")}
	iam := slices.DeleteFunc(pick(actions, "iam"), func(a string) bool { return a == "iam:PassRole" })
	roles := []string{arn("iam", "", s.Account, "role/"+s.Stack+"-*"), arn("iam", "", s.Account, "policy/"+s.Stack+"-*")}
	return []policyStatement{
		{Sid: "Identity", Effect: "Allow", Action: []string{"sts:GetCallerIdentity", "cloudformation:DescribeStacks", "cloudformation:ValidateTemplate"}, Resource: []string{"*"}},
		{Sid: "Stack", Effect: "Allow", Action: pick(actions, "cloudformation"), Resource: []string{
			arn("cloudformation", s.Region, s.Account, "stack/"+s.Stack+"/*"), arn("cloudformation", s.Region, s.Account, "changeSet/streamctl-*"),
		}},
		{Sid: "Buckets", Effect: "Allow", Action: pick(actions, "s3"), Resource: buckets},
		{Sid: "Roles", Effect: "Allow", Action: iam, Resource: roles},
		{Sid: "PassRoles", Effect: "Allow", Action: []string{"iam:PassRole"}, Resource: roles[:1], Condition: map[string]any{"StringEquals": map[string]any{
			"iam:PassedToService": []string{"lambda.amazonaws.com", "apigateway.amazonaws.com", "s3.amazonaws.com", "rds.amazonaws.com", "vpc-flow-logs.amazonaws.com", "monitoring.rds.amazonaws.com"},
		}}},
		{Sid: "ServiceLinkedRoles", Effect: "Allow", Action: []string{"iam:CreateServiceLinkedRole"}, Resource: []string{arn("iam", "", s.Account, "role/aws-service-role/*")}, Condition: map[string]any{"StringLike": map[string]any{
			"iam:AWSServiceName": []string{"rds.amazonaws.com", "elasticache.amazonaws.com", "ops.apigateway.amazonaws.com", "wafv2.amazonaws.com"},
		}}},
	}
}

// regional returns the statements of services whose resources get their names from
// AWS: limited to the region.
func (s Scope) regional(actions map[string]bool) []policyStatement {
	region := map[string]any{"StringEquals": map[string]any{"aws:RequestedRegion": s.Region}}
	out := []policyStatement{{
		Sid: "Resources", Effect: "Allow", Resource: []string{"*"}, Condition: region,
		Action: pick(actions, "apigateway", "cloudwatch", "ec2", "elasticache", "events", "kinesis", "kms", "lambda", "logs", "rds", "sns", "wafv2"),
	}}
	if names := pick(actions, "route53"); len(names) > 0 {
		out = append(out, policyStatement{Sid: "Names", Effect: "Allow", Action: names, Resource: []string{"arn:" + s.Partition + ":route53:::hostedzone/*", "arn:" + s.Partition + ":route53:::change/*"}})
	}
	return out
}

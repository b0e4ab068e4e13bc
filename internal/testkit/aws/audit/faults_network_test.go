package audit_test

import (
	"fmt"
	"slices"
	"strings"
)

const (
	reach    = "functions reach what they must, and nothing else"
	closed   = "stores let in their clients, and nothing else"
	endpoint = "endpoint policies allow what is needed, and nothing else"
	ids      = "network ids name what they should"
	subnets  = "subnets lie in their VPC and don't overlap"
)

func networkFaults() []fault {
	return []fault{
		{"subnets that overlap", subnets, func(t tree) { t.set("PrivateSubnetB", "CidrBlock", "192.168.7.32/26") }},
		{"a subnet outside of the VPC", subnets, func(t tree) { t.set("PrivateSubnetB", "CidrBlock", "10.1.0.0/26") }},
		{"a database in one zone", subnets, func(t tree) { t.set("DatabaseSubnetGroup", "SubnetIds", []any{ref("PrivateSubnetA")}) }},
		{"a group's id where subnets belong", ids, func(t tree) {
			t.set("CacheSubnetGroup", "SubnetIds", 0, getAtt("CacheSecurityGroup", "GroupId"))
		}},
		{"a subnet's id where groups belong", ids, func(t tree) {
			t.set("Cache", "SecurityGroupIds", []any{getAtt("CacheSecurityGroup", "GroupId"), ref("PrivateSubnetA")})
		}},
		{"a group without inline egress", "security groups have egress rules", func(t tree) { t.set("CacheSecurityGroup", "SecurityGroupEgress", nil) }},
		{"an empty list of egress", "security groups have egress rules", func(t tree) { t.set("DatabaseClientsGroup", "SecurityGroupEgress", []any{}) }},
		{"a way to the internet", "no way to the internet", func(t tree) { t.add("Gateway", "AWS::EC2::InternetGateway", map[string]any{}) }},
		{"a public database", "no way to the internet", func(t tree) { t.set("Database", "PubliclyAccessible", true) }},
	}
}

func reachFaults() []fault {
	everybody := map[string]any{"CidrIp": "10.0.0.0/8", "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
	return []fault{
		{"no way out to the database", reach, func(t tree) { t.set("DatabaseClientsEgress", "ToPort", 5431) }},
		{"no way in to the cache", reach, func(t tree) { t.set("CacheSecurityGroup", "SecurityGroupIngress", nil) }},
		{"a function in no group for the cache", reach, func(t tree) {
			t.set("QueryFunction", "VpcConfig", "SecurityGroupIds", []any{getAtt("DatabaseClientsGroup", "GroupId")})
		}},
		{"a function without the way to S3", reach, func(t tree) {
			t.set("ProcessorFunction", "VpcConfig", "SecurityGroupIds", []any{getAtt("DatabaseClientsGroup", "GroupId"), getAtt("CacheClientsGroup", "GroupId")})
		}},
		{"no route to the endpoint", reach, func(t tree) { t.set("S3Endpoint", "RouteTableIds", []any{}) }},
		{"an endpoint that refuses quarantine", reach, passes(0, "${ArchiveBucket.Arn}/quarantine/*")},
		{"an endpoint that refuses the archive's readers", reach, passes(2, "")},
		{"an endpoint that hides what the archive has", reach, passes(1, "")},
		{"an endpoint that refuses CloudFormation's bucket", reach, passes(0, "cloudformation-custom-resource-response")},
		{"an endpoint with a condition on the account", reach, func(t tree) {
			t.set("S3Endpoint", "PolicyDocument", "Statement", 0, "Condition", map[string]any{"StringEquals": map[string]any{"aws:ResourceAccount": ref("AWS::AccountId")}})
		}},
		{"a function outside of the VPC", reach, func(t tree) { t.set("QueryFunction", "VpcConfig", nil) }},
		{"a login that is missing", reach, func(t tree) {
			t.set("SchemaFunction", "Environment", "Variables", "CACHE_URL", map[string]any{"Fn::Sub": "rediss://${Cache.PrimaryEndPoint.Address}"})
		}},
		{"a way out that nothing needs", reach, func(t tree) {
			t.add("Wide", "AWS::EC2::SecurityGroupEgress", map[string]any{"GroupId": getAtt("CacheClientsGroup", "GroupId"), "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"})
		}},
		{"a database open to the network", closed, func(t tree) {
			t.set("DatabaseSecurityGroup", "SecurityGroupIngress", []any{everybody, clients("DatabaseClientsGroup")})
		}},
		{"another client of the database", closed, func(t tree) {
			t.set("Cache", "SecurityGroupIds", []any{getAtt("CacheSecurityGroup", "GroupId"), getAtt("DatabaseClientsGroup", "GroupId")})
		}},
		{"an endpoint that lets everything through", endpoint, func(t tree) { t.set("S3Endpoint", "PolicyDocument", nil) }},
		{"an endpoint that lets through every bucket", endpoint, func(t tree) {
			t.set("S3Endpoint", "PolicyDocument", "Statement", 2, "Resource", []any{map[string]any{"Fn::Sub": "${ArchiveBucket.Arn}/raw/*"}, "*"})
		}},
	}
}

// clients is the rendered ingress rule of the database's group.
func clients(group string) map[string]any {
	return map[string]any{"SourceSecurityGroupId": getAtt(group, "GroupId"), "IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
}

// passes removes one statement of the endpoint's policy, or one of its
// resources.
func passes(but int, resource string) func(tree) {
	return func(t tree) {
		statements := t.properties("S3Endpoint")["PolicyDocument"].(map[string]any)["Statement"].([]any)
		if resource == "" {
			t.set("S3Endpoint", "PolicyDocument", "Statement", slices.Delete(slices.Clone(statements), but, but+1))
			return
		}
		resources := statements[but].(map[string]any)["Resource"].([]any)
		t.set("S3Endpoint", "PolicyDocument", "Statement", but, "Resource", slices.DeleteFunc(slices.Clone(resources), func(r any) bool {
			return strings.Contains(fmt.Sprint(r), resource)
		}))
	}
}

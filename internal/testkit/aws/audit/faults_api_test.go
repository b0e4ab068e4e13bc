package audit_test

import (
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
)

func apiFaults() []fault {
	const (
		parts      = "API parts name what they should"
		deployment = "deployments wait for their methods"
		auth       = "preflight needs no signature, everything else does"
		models     = "ingest alone judges bodies"
		stage      = "stages wait for the account's role"
		acl        = "web ACLs count where events may match"
	)
	deployed := func(t tree, method string) {
		r := t.resource(t.first("AWS::ApiGateway::Deployment"))
		r["DependsOn"] = append(r["DependsOn"].([]any), method)
	}
	options := func(authorization string) func(tree) {
		return func(t tree) {
			t.add("Options", "AWS::ApiGateway::Method", map[string]any{"RestApiId": ref("Api"), "ResourceId": ref("ApiEventsResource"), "HttpMethod": "OPTIONS",
				"AuthorizationType": authorization, "Integration": map[string]any{"Type": "MOCK"}})
			deployed(t, "Options")
		}
	}
	// A key's limits for ANY: API Gateway looks settings up by the verb of a request.
	anyVerb := func(t tree) {
		t.add("First", "AWS::ApiGateway::Resource", map[string]any{"RestApiId": ref("Api"), "ParentId": getAtt("Api", "RootResourceId"), "PathPart": "v1"})
		t.add("All", "AWS::ApiGateway::Resource", map[string]any{"RestApiId": ref("Api"), "ParentId": ref("First"), "PathPart": "{proxy+}"})
		t.add("Any", "AWS::ApiGateway::Method", map[string]any{"RestApiId": ref("Api"), "ResourceId": ref("All"), "HttpMethod": "ANY",
			"AuthorizationType": "NONE", "Integration": map[string]any{"Type": "MOCK"}})
		deployed(t, "Any")
		t.set("IngestFunction", "Environment", "Variables", "WRITE_KEYS", "web")
		t.set("ApiStage", "MethodSettings", []any{map[string]any{"ResourcePath": "/~1v1~1{proxy+}", "HttpMethod": "ANY", "ThrottlingRateLimit": 25}})
	}
	webACL := func(rule map[string]any) func(tree) {
		rule["Name"], rule["Priority"] = "rule", 1
		return func(t tree) { t.add("Wall", "AWS::WAFv2::WebACL", map[string]any{"Rules": []any{rule}}) }
	}
	managed := map[string]any{"ManagedRuleGroupStatement": map[string]any{"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}}
	return []fault{
		{"a route where the validator belongs", parts, func(t tree) { t.set("ApiPostEvents", "RequestValidatorId", ref("ApiEventsResource")) }},
		{"a route where the model belongs", parts, func(t tree) {
			t.set("ApiPostEvents", "RequestModels", map[string]any{"application/json": ref("ApiEventsResource")})
		}},
		{"a function invoked with the method's own verb", parts, func(t tree) { t.set("ApiGetMetric", "Integration", "IntegrationHttpMethod", "GET") }},
		{"a deployment before its method", deployment, func(t tree) { t.waitNot(t.first("AWS::ApiGateway::Deployment"), "ApiGetMetric") }},
		{"a deployment before a gateway response", deployment, func(t tree) { t.waitNot(t.first("AWS::ApiGateway::Deployment"), "ApiThrottledResponse") }},
		{"OPTIONS with AWS_IAM", auth, options("AWS_IAM")},
		{"a route of clients with limits for ANY", auth, anyVerb},
		{"a route for everybody", auth, func(t tree) { t.set("ApiGetMetric", "AuthorizationType", "NONE") }},
		{"a model of bodies", models, func(t tree) {
			t.add("Model", "AWS::ApiGateway::Model", map[string]any{"RestApiId": ref("Api"), "ContentType": "application/json", "Schema": map[string]any{"type": "object"}})
		}},
		{"a validator of bodies", models, func(t tree) {
			t.add("Validator", "AWS::ApiGateway::RequestValidator", map[string]any{"RestApiId": ref("Api"), "ValidateRequestBody": true})
		}},
		{"a stage before the account's role", stage, func(t tree) { t.waitNot("ApiStage", "ApiAccount") }},
		{"access logs to an ARN with a star", stage, func(t tree) {
			t.set("ApiStage", "AccessLogSetting", "DestinationArn", getAtt("ApiLogGroup", "Arn"))
		}},
		{"body rules that block", acl, webACL(map[string]any{"OverrideAction": map[string]any{"None": map[string]any{}}, "Statement": managed})},
		{"an own rule on the body that blocks", acl, webACL(map[string]any{"Action": map[string]any{"Block": map[string]any{}},
			"Statement": map[string]any{"SizeConstraintStatement": map[string]any{"FieldToMatch": map[string]any{"Body": map[string]any{"OversizeHandling": "MATCH"}}, "Size": 8192}}})},
		{"a managed group with an action", acl, webACL(map[string]any{"Action": map[string]any{"Block": map[string]any{}}, "OverrideAction": map[string]any{"Count": map[string]any{}}, "Statement": managed})},
	}
}

func nameFaults() []fault {
	const (
		fit    = "names fit"
		shared = "two stacks share no name"
	)
	project := map[string]any{"Fn::Sub": "${ProjectName}-${AWS::StackName}-maintenance"}
	return []fault{
		{"a function's name built from the project's", fit, func(t tree) { t.set("MaintenanceFunction", "FunctionName", project) }},
		{"a role's name built from the project's", fit, func(t tree) {
			t.set("MaintenanceRole", "RoleName", map[string]any{"Fn::Sub": "${ProjectName}-${AWS::StackName}-${AWS::Region}-maintenance"})
		}},
		{"a cache's id built from the project's", fit, func(t tree) {
			t.set("Cache", "ReplicationGroupId", map[string]any{"Fn::Sub": "${ProjectName}-${AWS::StackName}"})
		}},
		{"an apostrophe in a group's description", fit, func(t tree) { t.set("CacheSecurityGroup", "GroupDescription", "The cache's group") }},
		{"a display name of 101 characters", fit, func(t tree) { t.set("AlarmTopic", "DisplayName", strings.Repeat("a", 101)) }},
		{"an alias from the environment", shared, func(t tree) { t.set("KeyAlias", "AliasName", map[string]any{"Fn::Sub": "alias/events-${Environment}"}) }},
		{"a log group with a fixed name", shared, func(t tree) { t.set("IngestLogGroup", "LogGroupName", "/aws/lambda/ingest") }},
		{"an API's name from the project", shared, func(t tree) {
			t.set("Api", "Name", ref("ProjectName"))
			for _, id := range []string{"ApiErrorsAlarm", "ApiLatencyAlarm", "ApiBusyAlarm"} {
				t.set(id, "Dimensions", 0, "Value", ref("ProjectName"))
			}
			t.replace("Dashboard", `\"ApiName\",\"${AWS::StackName}\"`, `\"ApiName\",\"${ProjectName}\"`)
		}},
		{"a role's name without the region", shared, func(t tree) { t.set("IngestRole", "RoleName", map[string]any{"Fn::Sub": "${AWS::StackName}-ingest"}) }},
		{"an output of nothing", "outputs say something", func(t tree) {
			t.all["Outputs"].(map[string]any)["Empty"] = map[string]any{"Value": map[string]any{"Fn::Sub": "${!Vpc}"}}
		}},
	}
}

// optionFaults are planted in a template with every option on.
func optionFaults() []fault {
	const copies = "replication may read and write"
	return []fault{
		{"a replica that doesn't grow", "the database's storage is valid in RDS", func(t tree) { t.set("DatabaseReplica1", "MaxAllocatedStorage", 100) }},
		{"a replication role without the objects", copies, func(t tree) {
			t.replace("ArchiveReplicationPolicy", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl")
		}},
		{"a replication role for another bucket", copies, func(t tree) { t.replace("ArchiveReplicationPolicy", everyoption.Replica, "another-bucket") }},
		{"a flow log that may delete", "services may do what they call, and nothing else", func(t tree) { t.replace("FlowLogRole", "logs:PutLogEvents", "logs:*") }},
		{"an account role that writes nothing", "services may do what they call, and nothing else", func(t tree) { t.set("ApiAccountRole", "ManagedPolicyArns", []any{}) }},
		{"a flow log that trusts another service", "roles trust who uses them", func(t tree) { t.replace("FlowLogRole", "vpc-flow-logs.amazonaws.com", "logs.amazonaws.com") }},
		{"a database replica open to the network", closed, func(t tree) {
			t.set("DatabaseReplica1", "VPCSecurityGroups", []any{})
		}},
	}
}

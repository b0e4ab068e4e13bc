package fake_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

// logging is a stack whose API logs with a role that the stack retains.
const logging = `
Resources:
  Role:
    Type: AWS::IAM::Role
    DeletionPolicy: Retain
    Properties:
      RoleName: kept
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: apigateway.amazonaws.com}, Action: sts:AssumeRole}]}
      ManagedPolicyArns: [arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]
      Policies: [{PolicyName: own, PolicyDocument: {}}]
  More: {Type: AWS::IAM::Policy, Properties: {PolicyName: more, PolicyDocument: {}, Roles: [!Ref Role]}}
  Account: {Type: AWS::ApiGateway::Account, DeletionPolicy: Retain, Properties: {CloudWatchRoleArn: !GetAtt Role.Arn}}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /api}}
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: own}}
  Get:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, ResourceId: !GetAtt Api.RootResourceId, HttpMethod: GET, AuthorizationType: NONE, Integration: {Type: MOCK}}
  Deployment: {Type: AWS::ApiGateway::Deployment, DependsOn: Get, Properties: {RestApiId: !Ref Api}}
  Stage:
    Type: AWS::ApiGateway::Stage
    DependsOn: Account
    Properties:
      RestApiId: !Ref Api
      DeploymentId: !Ref Deployment
      StageName: prod
      AccessLogSetting: {DestinationArn: !Sub "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${Logs}", Format: $context.requestId}
      MethodSettings: [{ResourcePath: "/*", HttpMethod: "*", LoggingLevel: ERROR}]
Outputs:
  Api: {Value: !Ref Api}
`

// TestAccount removes a retained role with the AWS CLI: it finds the users of
// the role, removes it from the account and deletes it.
func TestAccount(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c, s := created(t, f, "logs", logging)
	run := awsCLI(t, f)
	check := func(want string, args ...string) {
		t.Helper()
		if out, errs, code := run(append(args, "--output", "text")...); code != 0 || strings.Join(strings.Fields(out), " ") != want {
			t.Errorf("aws %v: exit %d: %q, want %q\n%s", args, code, out, want, errs)
		}
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if _, errs, code := run(args...); code == 0 || !strings.Contains(errs, want) {
			t.Errorf("aws %v: exit %d: %s, want %s", args, code, errs, want)
		}
	}
	api := output(s, "Api")
	const arn = "arn:aws:iam::123456789012:role/kept"
	check(arn, "apigateway", "get-account", "--query", "cloudwatchRoleArn")
	check(api+" own", "apigateway", "get-rest-apis", "--query", "items[].[id,name]")
	const fields = "item[].[stageName,accessLogSettings.destinationArn,methodSettings.\"*/*\".loggingLevel]"
	check("prod arn:aws:logs:us-east-1:123456789012:log-group:/api ERROR", "apigateway", "get-stages", "--rest-api-id", api, "--query", fields)

	foreign := f.AddStage(awsfake.ForeignStage{AccessLogs: "arn:aws:logs:us-east-1:123456789012:log-group:theirs"})
	f.AddStage(awsfake.ForeignStage{API: foreign, Name: "test", LoggingLevel: "INFO"})
	socket := f.AddStage(awsfake.ForeignStage{V2: true, Protocol: "WEBSOCKET", LoggingLevel: "ERROR"})
	check(api+" "+foreign, "apigateway", "get-rest-apis", "--page-size", "1", "--query", "items[].id")
	check("prod arn:aws:logs:us-east-1:123456789012:log-group:theirs None test None INFO", "apigateway", "get-stages", "--rest-api-id", foreign, "--query", fields)
	check(socket+" WEBSOCKET", "apigatewayv2", "get-apis", "--query", "Items[].[ApiId,ProtocolType]")
	check("prod ERROR", "apigatewayv2", "get-stages", "--api-id", socket, "--query", "Items[].[StageName,DefaultRouteSettings.LoggingLevel]")
	refused("Invalid API identifier specified", "apigateway", "get-stages", "--rest-api-id", "absent")

	check("more own", "iam", "list-role-policies", "--role-name", "kept", "--query", "PolicyNames")
	remove(t, f, c, "logs", types.StackStatusDeleteComplete)
	// API Gateway documents no removal of the role, only its replacement.
	refused("BadRequestException", "apigateway", "update-account", "--patch-operations", "op=remove,path=/cloudwatchRoleArn")
	check("None", "apigateway", "update-account", "--patch-operations", "op=replace,path=/cloudwatchRoleArn", "--query", "cloudwatchRoleArn")
	refused("The role ARN does not have required permissions configured.", "apigateway", "update-account", "--patch-operations", "op=replace,path=/cloudwatchRoleArn,value=arn:aws:iam::123456789012:role/absent")

	role := func(action string, more ...string) []string {
		return append([]string{"iam", action, "--role-name", "kept"}, more...)
	}
	const managed = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
	check(arn+" apigateway.amazonaws.com", role("get-role", "--query", "Role.[Arn,AssumeRolePolicyDocument.Statement[0].Principal.Service]")...)
	check(managed, role("list-attached-role-policies", "--query", "AttachedPolicies[].PolicyArn")...)
	check("own", role("list-role-policies", "--query", "PolicyNames")...)
	refused("(DeleteConflict) when calling the DeleteRole operation: Cannot delete entity, must detach all policies first.", role("delete-role")...)
	check("", role("detach-role-policy", "--policy-arn", managed)...)
	refused("(NoSuchEntity)", role("detach-role-policy", "--policy-arn", managed)...)
	refused("Cannot delete entity, must delete policies first.", role("delete-role")...)
	check("", role("delete-role-policy", "--policy-name", "own")...)
	check("", role("delete-role")...)
	refused("(NoSuchEntity) when calling the GetRole operation: The role with name kept cannot be found.", role("get-role")...)
	for _, left := range f.Existing() {
		if left.Type != "AWS::ApiGateway::Account" {
			t.Errorf("left behind: %+v", left)
		}
	}
	for _, want := range []struct{ action, operation, resource string }{
		{"GET", "GetApis", "arn:aws:apigateway:us-east-1::/apis"},
		{"GET", "GetStages", "arn:aws:apigateway:us-east-1::/restapis/" + api + "/stages"},
		{"PATCH", "UpdateAccount", "arn:aws:apigateway:us-east-1::/account"},
		{"DeleteRole", "DeleteRole", arn},
	} {
		found := false
		for _, c := range f.Calls() {
			found = found || c.Action == want.action && c.Operation == want.operation && c.Resource == want.resource
		}
		if !found {
			t.Errorf("no call %+v", want)
		}
	}
}

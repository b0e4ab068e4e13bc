package deploy_test

import (
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// stackRole is the name of the stack's role.
func stackRole(f *awsfake.Fake) string {
	name, _ := f.PhysicalID("events", "Role")
	return name
}

// TestAccountRole destroys a stack that set API Gateway's role for the logs of the
// account and region. The role is deleted only if no other API uses it.
func TestAccountRole(t *testing.T) {
	const other = "arn:aws:iam::123456789012:role/other-team"
	logs := awsfake.ForeignStage{AccessLogs: "arn:aws:logs:us-east-1:123456789012:log-group:other"}
	for _, tt := range []struct {
		name string
		// before prepares the account before the stack is deleted.
		before func(*awsfake.Fake)
		// why is the reason for keeping the role; empty if it is deleted.
		why string
		// account is the account's role afterwards; "ours" is the stack's role.
		account string
	}{
		{"no other API", func(*awsfake.Fake) {}, "", ""},
		{"an API without logs", func(f *awsfake.Fake) { f.AddStage(awsfake.ForeignStage{LoggingLevel: "OFF"}) }, "", ""},
		{"an HTTP API, which needs no role", func(f *awsfake.Fake) {
			f.AddStage(awsfake.ForeignStage{V2: true, Protocol: "HTTP", AccessLogs: logs.AccessLogs})
		}, "", ""},
		{"an API with an access log", func(f *awsfake.Fake) { f.AddStage(logs) }, "stage prod with it", "ours"},
		{"an API with an execution log", func(f *awsfake.Fake) { f.AddStage(awsfake.ForeignStage{Name: "beta", LoggingLevel: "ERROR"}) }, "stage beta with it", "ours"},
		{"a WebSocket API with a log", func(f *awsfake.Fake) {
			f.AddStage(awsfake.ForeignStage{V2: true, Protocol: "WEBSOCKET", LoggingLevel: "INFO"})
		}, "stage prod with it", "ours"},
		{"another team's role", func(f *awsfake.Fake) {
			f.SetAPIGatewayRole(other)
			f.AddStage(logs)
		}, "", other},
		{"a role that is gone", func(f *awsfake.Fake) { f.RemoveRole(stackRole(f)) }, "", ""},
		{"a role that is gone, and an API with a log", func(f *awsfake.Fake) {
			f.RemoveRole(stackRole(f))
			f.AddStage(logs)
		}, "stage prod with it", "ours"},
		{"another team's live role, and ours is gone", func(f *awsfake.Fake) {
			f.RemoveRole(stackRole(f))
			f.AddRole("other-team")
			f.SetAPIGatewayRole(other)
		}, "", other},
		{"an unreadable role", func(f *awsfake.Fake) {
			f.FailCall("iam", "GetRole", 403, "AccessDenied", "not you", 1)
		}, "could not be reset", "ours"},
		{"no permission", func(f *awsfake.Fake) {
			f.FailCall("apigateway", "UpdateAccount", 403, "AccessDeniedException", "not you", 1)
		}, "could not be reset", "ours"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op, fake, lines := operator(t, awsfake.Options{})
			r := request(t, "one", false)
			body, err := os.ReadFile("testdata/account.yaml")
			if err != nil {
				t.Fatal(err)
			}
			r.Template = body
			apply(t, op, r)
			role, _ := fake.PhysicalID("events", "Role")
			tt.before(fake)
			left, err := op.Destroy(t.Context(), plan(t, op))
			if err != nil {
				t.Fatalf("%v\n%s", err, lines)
			}
			var want []stack.Leftover
			if tt.why != "" {
				if len(left) != 1 || !strings.Contains(left[0].Why, tt.why) {
					t.Fatalf("left %+v, want the role because %s", left, tt.why)
				}
				want = []stack.Leftover{{LogicalID: "Role", Type: "AWS::IAM::Role", PhysicalID: role, Why: left[0].Why}}
			}
			if len(left) != len(want) || len(want) > 0 && left[0] != want[0] {
				t.Errorf("left %+v, want %+v", left, want)
			}
			account, err := op.APIGateway.GetAccount(t.Context(), &apigateway.GetAccountInput{})
			if err != nil {
				t.Fatal(err)
			}
			got := aws.ToString(account.CloudwatchRoleArn)
			if tt.account == "ours" && !strings.HasSuffix(got, "/"+role) || tt.account != "ours" && got != tt.account {
				t.Errorf("the account's role is %q, want %q", got, tt.account)
			}
		})
	}
}

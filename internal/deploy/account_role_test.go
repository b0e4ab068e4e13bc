package deploy_test

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestLiveAccountRoleIsKept reads the role with which API Gateway writes the account's
// logs: a deploy may set it only if that takes it from nobody.
func TestLiveAccountRoleIsKept(t *testing.T) {
	const foreign = "arn:aws:iam::123456789012:role/other-teams-logs"
	for _, tt := range []struct {
		name   string
		before func(*testing.T, *awsfake.Fake) (role string) // the role of the account
		keeps  bool
		err    bool
	}{
		{"empty", func(*testing.T, *awsfake.Fake) string { return "" }, false, false},
		{"dead", func(_ *testing.T, f *awsfake.Fake) string {
			f.SetAPIGatewayRole(foreign)
			return foreign
		}, false, false},
		{"unreadable role", func(_ *testing.T, f *awsfake.Fake) string {
			f.SetAPIGatewayRole(foreign)
			f.FailCall("iam", "GetRole", http.StatusForbidden, "AccessDenied", "not you", 1)
			return foreign
		}, true, false},
		{"unreadable setting", func(_ *testing.T, f *awsfake.Fake) string {
			f.FailCall("apigateway", "GetAccount", http.StatusForbidden, "AccessDeniedException", "not you", 1)
			return ""
		}, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op, fake, _ := operator(t, awsfake.Options{})
			role := tt.before(t, fake)
			got, err := op.AccountRole(t.Context(), stack.Current{}, "Account")
			if (err != nil) != tt.err || tt.keeps != (got != "") || tt.keeps && got != role {
				t.Errorf("got %q, %v; the account has %q", got, err, role)
			}
		})
	}
	t.Run("a failed create", func(t *testing.T) {
		op, fake, _ := operator(t, awsfake.Options{})
		r := request(t, "one", false)
		body, err := os.ReadFile("testdata/account.yaml")
		if err != nil {
			t.Fatal(err)
		}
		r.Template = bytes.Replace(body, []byte("  Topic:\n"), []byte("  Topic:\n    DependsOn: Account\n"), 1)
		fake.FailResource("Topic", "the topic says no")
		if _, err := run(t.Context(), op, r); err == nil {
			t.Fatal("the create succeeded")
		}
		account, err := op.APIGateway.GetAccount(t.Context(), &apigateway.GetAccountInput{})
		if err != nil || aws.ToString(account.CloudwatchRoleArn) != "" {
			t.Errorf("the account's role is %q, %v; it was empty before", aws.ToString(account.CloudwatchRoleArn), err)
		}
	})
	t.Run("another stack's, and the stack's own", func(t *testing.T) {
		op, fake, _ := operator(t, awsfake.Options{})
		r := request(t, "one", false)
		body, err := os.ReadFile("testdata/account.yaml")
		if err != nil {
			t.Fatal(err)
		}
		r.Template = body
		made := apply(t, op, r).Stack
		if got, err := op.AccountRole(t.Context(), stack.Current{Stack: made}, "Account"); got != "" || err != nil {
			t.Errorf("its own role without a template: %q, %v", got, err)
		}
		if got, err := op.AccountRole(t.Context(), stack.Current{Stack: made, Template: body}, "Account"); got != "" || err != nil {
			t.Errorf("its own role is kept out of the stack: %q, %v", got, err)
		}
		role, _ := fake.PhysicalID("events", "Role")
		if got, err := op.AccountRole(t.Context(), stack.Current{}, "Account"); !bytes.HasSuffix([]byte(got), []byte("/"+role)) || err != nil {
			t.Errorf("another stack would replace the role: %q, %v", got, err)
		}
	})
}

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

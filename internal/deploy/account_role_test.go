package deploy_test

import (
	"bytes"
	"net/http"
	"os"
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

package e2e_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestNoChange counts the calls of a deploy without changes. internal/deploy
// tests which changes must not be overlooked, except mappings that a destroy
// stopped.
func TestNoChange(t *testing.T) {
	w := newWorkplace(t, "")
	w.platform.Fake.SetAPIGatewayRole("") // an earlier stack may have left one: the account would be read too
	w.variables("StackName: nochange\n")
	deploy := func(more ...string) result {
		return w.streamctl(append([]string{"deploy", "--env", "development"}, more...)...)
	}
	deploy("--dry-run").want(0).says("stack nochange would be created").says("Add Database (AWS::RDS::DBInstance)")
	deploy().want(0).says("Created stack nochange.")
	w.platform.Fake.ResetCalls()
	deploy().want(0).says("No change: stack nochange already matches the variables.")
	var calls []string
	for _, c := range w.platform.Fake.Calls() {
		if c.Principal == awsfake.PrincipalUser {
			calls = append(calls, c.Service+":"+c.Operation)
		}
	}
	// The remaining calls check what an interrupted destroy may have left, that
	// the artifact bucket is in the stack's region, and who receives the alarms.
	want := []string{"sts:GetCallerIdentity", "cloudformation:DescribeStacks", "cloudformation:GetTemplate", "apigateway:GetStage", "cloudformation:DescribeStackResource", "lambda:ListEventSourceMappings", "s3:GetBucketPolicy", "s3:HeadBucket", "sns:ListSubscriptionsByTopic"}
	slices.Sort(calls[min(3, len(calls)):])
	if !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v: %+v", calls, want, w.platform.Fake.Calls())
	}
	w.streamctl("diff", "--env", "development", "--exit-code").want(0).says("No difference")
	w.variables("StackName: nochange\nDatabaseInstanceClass: db.t4g.small\nTags: {Team: shop}\n")
	w.streamctl("diff", "--env", "development", "--exit-code").want(1).says("+DatabaseInstanceClass: db.t4g.small").says("+tag Team: shop")
	deploy("--dry-run").want(0).says("DBInstanceClass: db.t4g.micro → db.t4g.small")
	w.stopReading("nochange")
	w.aws("apigateway", "create-deployment", "--rest-api-id", w.deployed("nochange", "--env", "development").outputs["ApiGatewayId"], "--stage-name", "prod").want(0)
	w.streamctl("status", "--env", "development").want(0).says("ProcessorMapping is disabled").says("which is not the stack's").says("`streamctl deploy` restores it")
	deploy().want(0).says("Pointing stage prod").says("Updated stack nochange.")
	// The tags changed the mapping too, so the update enabled it.
	if r := w.streamctl("status", "--env", "development").want(0); strings.Contains(r.stdout+r.stderr, "ProcessorMapping is disabled") {
		t.Errorf("the mapping is still disabled:\n%s\n%s", r.stdout, r.stderr)
	}
	w.streamctl("destroy", "--env", "development", "--yes").want(0)
}

// variables replaces the variables file.
func (w *workplace) variables(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.dir+"/variables.yaml", []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

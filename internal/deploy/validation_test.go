package deploy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// findings are the kinds of early validation that were seen, with a part of the hint.
func findings() map[string]cfn.Finding {
	return map[string]cfn.Finding{
		"rename or delete it":         {LogicalID: "Topic", Type: "AWS::SNS::Topic", Name: "AWS::EarlyValidation::ResourceExistenceCheck", Reason: "Resource of type 'AWS::SNS::Topic' with identifier 'events' already exists.", Path: "/Resources/Topic"},
		"`streamctl validate` lists":  {LogicalID: "Topic", Type: "AWS::SNS::Topic", Name: "AWS::EarlyValidation::PropertyValidation", Reason: "#: extraneous key [DisplayNames] is not permitted", Path: "/Resources/Topic/Properties"},
		"`streamctl destroy` empties": {LogicalID: "Bucket", Type: "AWS::S3::Bucket", Name: "AWS::EarlyValidation::BucketEmptinessCheck", Reason: "The bucket you are trying to delete is not empty: bucket is not empty."},
		"a quota of the account":      {LogicalID: "Topic", Type: "AWS::SNS::Topic", Name: "AWS::EarlyValidation::QuotaCheck", Reason: "This operation exceeds the quota for topics."},
	}
}

// TestEarlyValidation fails a create, an update and its change set before CloudFormation
// changes a resource: the reason is only in DescribeEvents, under the newest operation that
// is not the rollback.
func TestEarlyValidation(t *testing.T) {
	for hint, finding := range findings() {
		op, fake, _ := operator(t, awsfake.Options{})
		check := func(operation string, err error) {
			t.Helper()
			var failed *stack.FailedError
			if !errors.As(err, &failed) || len(failed.Causes) != 1 || failed.Causes[0].LogicalID != finding.LogicalID || !strings.Contains(err.Error(), finding.Reason) || !strings.Contains(err.Error(), hint) {
				t.Errorf("%s: %s: got %v", finding.Name, operation, err)
			}
		}
		fake.FailValidation(finding)
		_, err := run(t.Context(), op, request(t, "one", true))
		check("create", err)
		apply(t, op, request(t, "one", true))

		fake.FailValidation(finding)
		_, err = run(t.Context(), op, later(request(t, "two", true)))
		check("change set", err)
		sets, err := op.CloudFormation.ListChangeSets(t.Context(), &cloudformation.ListChangeSetsInput{StackName: aws.String("events")})
		if err != nil || len(sets.Summaries) > 0 {
			t.Errorf("change sets %v, %v", sets, err)
		}

		r := later(request(t, "two", true))
		r.Approve = func([]stack.Change) error { fake.FailValidation(finding); return nil }
		_, err = run(t.Context(), op, r)
		check("update", err)
	}
}

// TestEarlyWarning has a change set with a finding that does not fail it: it is reported,
// and the update succeeds.
func TestEarlyWarning(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", true))
	fake.FailValidation(cfn.Finding{LogicalID: "Topic", Type: "AWS::SNS::Topic", Name: "AWS::EarlyValidation::QuotaCheck", Reason: "This operation exceeds the quota for topics.", Warn: true})
	if outcome := apply(t, op, later(request(t, "two", true))); !outcome.Changed {
		t.Errorf("%+v", outcome)
	}
	if !strings.Contains(lines.String(), "Warning of CloudFormation: Topic (AWS::SNS::Topic): This operation exceeds the quota for topics. → a quota of the account") {
		t.Errorf("%s", lines)
	}
}

// TestEarlyValidationUnreadable denies DescribeEvents: the failure and the missing reason
// are reported.
func TestEarlyValidationUnreadable(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", true))
	fake.FailCall("cloudformation", "DescribeEvents", 403, "AccessDenied", "not authorized to perform: cloudformation:DescribeEvents", 100)
	fake.FailValidation(findings()["rename or delete it"])
	_, err := run(t.Context(), op, later(request(t, "two", true)))
	if err == nil || !strings.Contains(err.Error(), "use the DescribeEvents API") || !strings.Contains(err.Error(), "cloudformation:DescribeEvents") {
		t.Errorf("got %v", err)
	}
}

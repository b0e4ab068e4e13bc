package fake_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

func update(t *testing.T, c *cloudformation.Client, name, group string) {
	t.Helper()
	_, err := c.UpdateStack(t.Context(), &cloudformation.UpdateStackInput{
		StackName: aws.String(name), UsePreviousTemplate: aws.Bool(true), Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		Parameters: []types.Parameter{{ParameterKey: aws.String("Password"), UsePreviousValue: aws.Bool(true)}, param("Group", group)},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCancelUpdate(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{Delay: func(kind string) time.Duration {
		if kind == "AWS::S3::Bucket" {
			return 300 * time.Millisecond
		}
		return 0
	}})
	c := made(t, f, "stop")
	update(t, c, "stop", "another group")
	_, err := c.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: aws.String("stop")})
	wantError(t, err, "ValidationError", "cannot be deleted while in status UPDATE_IN_PROGRESS")
	if _, err := c.CancelUpdateStack(t.Context(), &cloudformation.CancelUpdateStackInput{StackName: aws.String("stop")}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, "stop"), types.StackStatusUpdateRollbackComplete)
	_, err = c.CancelUpdateStack(t.Context(), &cloudformation.CancelUpdateStackInput{StackName: aws.String("stop")})
	wantError(t, err, "ValidationError", "CancelUpdateStack cannot be called from current stack status")
}

// TestContinueRollback lets the rollback fail once.
func TestContinueRollback(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{Delay: func(kind string) time.Duration {
		if kind == "AWS::EC2::SecurityGroup" {
			return 200 * time.Millisecond // after the bucket
		}
		return 0
	}})
	c := made(t, f, "twice")
	f.FailResource("Clients", "the group says no")
	update(t, c, "twice", "another group")
	eventually(t, "the bucket is updated", func() bool {
		return slices.ContainsFunc(events(t, c, "twice"), func(e types.StackEvent) bool {
			return aws.ToString(e.LogicalResourceId) == "Bucket" && e.ResourceStatus == types.ResourceStatusUpdateComplete
		})
	})
	f.FailResource("Bucket", "nor does the bucket")
	wantStatus(t, f, c, settle(t, c, "twice"), types.StackStatusUpdateRollbackFailed)
	if _, err := c.ContinueUpdateRollback(t.Context(), &cloudformation.ContinueUpdateRollbackInput{StackName: aws.String("twice")}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, "twice"), types.StackStatusUpdateRollbackComplete)
	update(t, c, "twice", "a third group")
	wantStatus(t, f, c, settle(t, c, "twice"), types.StackStatusUpdateComplete)
}

func TestOnFailure(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := cloudformation.NewFromConfig(config(f))
	for on, want := range map[types.OnFailure]types.StackStatus{
		types.OnFailureDoNothing: types.StackStatusCreateFailed, types.OnFailureDelete: types.StackStatusDeleteComplete, types.OnFailureRollback: types.StackStatusRollbackComplete,
	} {
		f.FailResource("Vpc", "no network today")
		out, err := c.CreateStack(t.Context(), &cloudformation.CreateStackInput{
			StackName: aws.String("on"), TemplateBody: read(t, "small.yaml"), Parameters: []types.Parameter{param("Password", "longenough")}, OnFailure: on,
			Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		})
		if err != nil {
			t.Fatal(err)
		}
		wantStatus(t, f, c, settle(t, c, aws.ToString(out.StackId)), want)
		if _, err := c.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: out.StackId}); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, f, c, settle(t, c, aws.ToString(out.StackId)), types.StackStatusDeleteComplete)
	}
	if left := f.Existing(); len(left) != 0 {
		t.Errorf("leftovers are %+v", left)
	}
}

// TestReview creates a stack with a change set, from a template in S3.
func TestReview(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := cloudformation.NewFromConfig(config(f))
	if err := f.Objects().CreateBucket("templates"); err != nil {
		t.Fatal(err)
	}
	if err := f.Objects().Put("templates", "a/b.yaml", []byte(*read(t, "small.yaml"))); err != nil {
		t.Fatal(err)
	}
	in := &cloudformation.CreateChangeSetInput{
		StackName: aws.String("new"), ChangeSetName: aws.String("first"), ChangeSetType: types.ChangeSetTypeCreate,
		TemplateURL: aws.String(f.Endpoint + "/templates/a/b.yaml"), Parameters: []types.Parameter{param("Password", "longenough")},
		Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	}
	set, err := c.CreateChangeSet(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	stacks, err := c.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("new")})
	if err != nil || stacks.Stacks[0].StackStatus != types.StackStatusReviewInProgress {
		t.Fatalf("stack is %v, %v", stacks, err)
	}
	d, err := c.DescribeChangeSet(t.Context(), &cloudformation.DescribeChangeSetInput{ChangeSetName: set.Id})
	if err != nil || len(d.Changes) != 7 || d.Changes[0].ResourceChange.Action != types.ChangeActionAdd {
		t.Fatalf("change set is %+v, %v", d, err)
	}
	if _, err := c.ExecuteChangeSet(t.Context(), &cloudformation.ExecuteChangeSetInput{ChangeSetName: set.Id}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, "new"), types.StackStatusCreateComplete)
	in.ChangeSetName = aws.String("second")
	_, err = c.CreateChangeSet(t.Context(), in)
	wantError(t, err, "ValidationError", "Stack [new] already exists and cannot be created again with the changeSet [second].")
}

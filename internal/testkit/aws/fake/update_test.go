package fake_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

// made creates testdata/small.yaml as a stack.
func made(t *testing.T, f *awsfake.Fake, name string) *cloudformation.Client {
	t.Helper()
	c := cloudformation.NewFromConfig(config(f))
	_, err := c.CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: aws.String(name), TemplateBody: read(t, "small.yaml"), Parameters: []types.Parameter{param("Password", "longenough")},
		Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, name), types.StackStatusCreateComplete)
	return c
}

func changeSet(name, set string, params ...types.Parameter) *cloudformation.CreateChangeSetInput {
	return &cloudformation.CreateChangeSetInput{
		StackName: aws.String(name), ChangeSetName: aws.String(set), UsePreviousTemplate: aws.Bool(true),
		Parameters:   append(params, types.Parameter{ParameterKey: aws.String("Password"), UsePreviousValue: aws.Bool(true)}),
		Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	}
}

func TestChangeSets(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := made(t, f, "sets")
	ctx := t.Context()
	out, err := c.CreateChangeSet(ctx, changeSet("sets", "none"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: out.Id})
	if err != nil {
		t.Fatal(err)
	}
	if d.Status != types.ChangeSetStatusFailed || d.ExecutionStatus != types.ExecutionStatusUnavailable || !strings.HasPrefix(aws.ToString(d.StatusReason), "The submitted information didn't contain changes.") {
		t.Errorf("empty change set is %s, %s: %s", d.Status, d.ExecutionStatus, aws.ToString(d.StatusReason))
	}
	_, err = c.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: out.Id})
	wantError(t, err, "InvalidChangeSetStatus", "cannot be executed in its current status")
	_, err = c.UpdateStack(ctx, &cloudformation.UpdateStackInput{
		StackName: aws.String("sets"), UsePreviousTemplate: aws.Bool(true), Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		Parameters: []types.Parameter{{ParameterKey: aws.String("Password"), UsePreviousValue: aws.Bool(true)}},
	})
	wantError(t, err, "ValidationError", "No updates are to be performed.")

	// A changed description replaces the group; a changed tag changes the
	// bucket in place.
	out, err = c.CreateChangeSet(ctx, changeSet("sets", "group", param("Group", "another group")))
	if err != nil {
		t.Fatal(err)
	}
	d, err = c.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: out.Id})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, change := range d.Changes {
		r := change.ResourceChange
		got = append(got, string(r.Action)+" "+aws.ToString(r.LogicalResourceId)+" "+string(r.Replacement))
	}
	if want := []string{"Modify Bucket False", "Modify Clients True"}; !slices.Equal(got, want) {
		t.Errorf("changes are %v, want %v", got, want)
	}
	before, _ := f.PhysicalID("sets", "Clients")
	if _, err := c.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{ChangeSetName: out.Id}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, "sets"), types.StackStatusUpdateComplete)
	if after, _ := f.PhysicalID("sets", "Clients"); after == before || after == "" {
		t.Errorf("group is %s, was %s", after, before)
	}
	var deleted bool
	for _, e := range events(t, c, "sets") {
		deleted = deleted || e.ResourceStatus == types.ResourceStatusDeleteComplete && aws.ToString(e.PhysicalResourceId) == before
	}
	if !deleted {
		t.Error("the replaced group was not deleted in the cleanup")
	}
	_, err = c.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: aws.String("gone"), StackName: aws.String("sets")})
	wantError(t, err, "ChangeSetNotFound", "ChangeSet [gone] does not exist")
}

func TestRollback(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := made(t, f, "back")
	ctx := t.Context()
	f.FailResource("Bucket", "the bucket says no")
	_, err := c.UpdateStack(ctx, &cloudformation.UpdateStackInput{
		StackName: aws.String("back"), UsePreviousTemplate: aws.Bool(true), Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		Parameters: []types.Parameter{{ParameterKey: aws.String("Password"), UsePreviousValue: aws.Bool(true)}, param("Group", "another group")},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, "back"), types.StackStatusUpdateRollbackComplete)
	group, _ := f.PhysicalID("back", "Clients")
	var reasons []string
	for _, e := range events(t, c, "back") {
		if e.ResourceStatus == types.ResourceStatusUpdateFailed {
			reasons = append(reasons, aws.ToString(e.LogicalResourceId)+": "+aws.ToString(e.ResourceStatusReason))
		}
	}
	if !slices.Contains(reasons, "Bucket: the bucket says no") {
		t.Errorf("reasons are %v", reasons)
	}
	var groups int
	for _, e := range f.Existing() {
		if e.Type == "AWS::EC2::SecurityGroup" {
			groups++
		}
	}
	if groups != 1 || group == "" {
		t.Errorf("%d security groups, %s", groups, group)
	}

	f.FailResource("Role", "no role today")
	_, err = c.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: aws.String("fails"), TemplateBody: read(t, "small.yaml"), Parameters: []types.Parameter{param("Password", "longenough"), param("Cidr", "10.9.0.0/16")},
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := settle(t, c, "fails")
	wantStatus(t, f, c, s, types.StackStatusRollbackComplete)
	_, err = c.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: aws.String("fails"), UsePreviousTemplate: aws.Bool(true)})
	wantError(t, err, "ValidationError", "is in ROLLBACK_COMPLETE state and can not be updated.")
	for _, e := range f.Existing() {
		if e.StackName == "fails" {
			t.Errorf("leftovers after the rollback: %+v", e)
		}
	}
}

func TestDelete(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := made(t, f, "gone")
	ctx := t.Context()
	name := aws.String("gone")
	if _, err := c.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: name, EnableTerminationProtection: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	_, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name})
	wantError(t, err, "ValidationError", "Stack [gone] cannot be deleted while TerminationProtection is enabled")
	if _, err := c.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{StackName: name, EnableTerminationProtection: aws.Bool(false)}); err != nil {
		t.Fatal(err)
	}
	bucket, _ := f.PhysicalID("gone", "Bucket")
	if err := f.Objects().Put(bucket, "a", []byte("b")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}); err != nil {
		t.Fatal(err)
	}
	s := settle(t, c, "gone")
	wantStatus(t, f, c, s, types.StackStatusDeleteFailed)
	if want := "The following resource(s) failed to delete: [Bucket]. "; aws.ToString(s.StackStatusReason) != want {
		t.Errorf("reason is %q", aws.ToString(s.StackStatusReason))
	}
	var reason string
	for _, e := range events(t, c, "gone") {
		if e.ResourceStatus == types.ResourceStatusDeleteFailed && aws.ToString(e.LogicalResourceId) == "Bucket" {
			reason = aws.ToString(e.ResourceStatusReason)
		}
	}
	if !strings.Contains(reason, "The bucket you tried to delete is not empty. You must delete all versions in the bucket.") {
		t.Errorf("reason is %q", reason)
	}
	if _, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name, RetainResources: []string{"Bucket"}}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, aws.ToString(s.StackId)), types.StackStatusDeleteComplete)
	if left := f.Existing(); len(left) != 1 || left[0].LogicalID != "Bucket" {
		t.Errorf("leftovers are %+v", left)
	}
	_, err = c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: name})
	wantError(t, err, "ValidationError", "Stack with id gone does not exist")
	_, err = c.DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: name})
	wantError(t, err, "ValidationError", "Stack [gone] does not exist")
}

// TestBusy cancels an update, and deletes a stack that is being created.
func TestBusy(t *testing.T) {
	slow := func(kind string) time.Duration {
		if kind == "AWS::Logs::LogGroup" {
			return 300 * time.Millisecond
		}
		return 0
	}
	f := faketest.Start(t, awsfake.Options{Delay: slow})
	c := cloudformation.NewFromConfig(config(f))
	ctx := t.Context()
	_, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: aws.String("busy"), TemplateBody: read(t, "small.yaml"), Parameters: []types.Parameter{param("Password", "longenough")},
		Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateChangeSet(ctx, changeSet("busy", "early"))
	wantError(t, err, "ValidationError", "is in CREATE_IN_PROGRESS state and can not be updated.")
	if _, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("busy")}); err != nil {
		t.Fatal(err)
	}
	stacks, err := c.ListStacks(ctx, &cloudformation.ListStacksInput{})
	if err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, aws.ToString(stacks.StackSummaries[0].StackId)), types.StackStatusDeleteComplete)
	if left := f.Existing(); len(left) != 0 {
		t.Errorf("leftovers are %+v", left)
	}
}

func TestTemplateErrors(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := cloudformation.NewFromConfig(config(f))
	head := "Parameters:\n  P: {Type: String, Default: x}\nResources:\n"
	for _, tt := range []struct{ name, body, want string }{
		{"dangling ref", head + "  A: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Absent}}", "Unresolved resource dependencies [Absent] in the Resources block of the template"},
		{"dangling sub", head + "  A: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Sub 'x ${Absent}'}}", "Unresolved resource dependencies [Absent]"},
		{"dangling depends", head + "  A: {Type: AWS::SNS::Topic, DependsOn: B}", "Unresolved resource dependencies [B]"},
		{"attribute", head + "  A: {Type: AWS::SNS::Topic}\n  B: {Type: AWS::SNS::Topic, Properties: {DisplayName: !GetAtt A.Colour}}", "resource A does not support attribute type Colour in Fn::GetAtt"},
		{"cycle", head + "  A: {Type: AWS::SNS::Topic, DependsOn: B}\n  B: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref A}}", "Circular dependency between resources: [A, B]"},
		{"type", head + "  A: {Type: AWS::No::Thing}", "Unrecognized resource types: [AWS::No::Thing]"},
		{"snapshot", head + "  A: {Type: AWS::SNS::Topic, DeletionPolicy: Snapshot}", "does not support deletion policy Snapshot"},
		{"output", head + "  A: {Type: AWS::SNS::Topic}\nOutputs:\n  O: {Value: !Ref Z}", "Unresolved resource dependencies [Z] in the Outputs block of the template"},
		{"section", head + "  A: {Type: AWS::SNS::Topic}\nResorces: {}", "Invalid template property or properties [Resorces]"},
		{"yaml", "a: [", "YAML not well-formed"},
		{"no resources", "Description: x", "At least one Resources member must be defined."},
		{"large", head + "  A: {Type: AWS::SNS::Topic}\n#" + strings.Repeat("x", 51200), "Member must have length less than or equal to 51200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.ValidateTemplate(t.Context(), &cloudformation.ValidateTemplateInput{TemplateBody: aws.String(tt.body)})
			wantError(t, err, "ValidationError", tt.want)
		})
	}
	_, err := c.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: aws.String("x"), TemplateBody: read(t, "small.yaml"), Parameters: []types.Parameter{param("Password", "longenough")}})
	wantError(t, err, "InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")
}

package fake_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

const taggedTemplate = `
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {Tags: [{Key: Team, Value: own}]}}
  Policy: {Type: AWS::IAM::ManagedPolicy, Properties: {PolicyDocument: {Version: '2012-10-17', Statement: []}}}
  Role: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}, ManagedPolicyArns: [!Ref Policy]}}
`

// tagList returns tags from keys and values.
func tagList(pairs ...string) (out []types.Tag) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

func createTagged(t *testing.T, c *cloudformation.Client, name string, tags []types.Tag) error {
	t.Helper()
	_, err := c.CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: &name, TemplateBody: aws.String(taggedTemplate), Tags: tags, Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	})
	return err
}

// TestStackTags checks that a stack's tags reach the resources whose types take tags, in
// a create, in an update of only the tags, and in its rollback.
func TestStackTags(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c, ctx := cloudformation.NewFromConfig(config(f)), t.Context()
	if err := createTagged(t, c, "tagged", tagList("Project", "a", "Team", "stack")); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, "tagged"), types.StackStatusCreateComplete)
	want := func(project, role string) {
		t.Helper()
		for id, tags := range map[string]map[string]string{
			"Topic": {"Project": project, "Team": "own"}, "Role": {"Project": role, "Team": "stack"}, "Policy": nil,
		} {
			if got := f.Tags("tagged", id); !maps.Equal(got, tags) {
				t.Errorf("%s has the tags %v, want %v", id, got, tags)
			}
		}
	}
	want("a", "a")

	update := func(tags []types.Tag) types.Stack {
		t.Helper()
		_, err := c.UpdateStack(ctx, &cloudformation.UpdateStackInput{
			StackName: aws.String("tagged"), UsePreviousTemplate: aws.Bool(true), Tags: tags, Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		})
		if err != nil {
			t.Fatal(err)
		}
		return settle(t, c, "tagged")
	}
	wantStatus(t, f, c, update(tagList("Project", "b", "Team", "stack")), types.StackStatusUpdateComplete)
	want("b", "b")
	f.FailResource("Role", "no")
	wantStatus(t, f, c, update(tagList("Project", "c", "Team", "stack")), types.StackStatusUpdateRollbackComplete)
	want("b", "b")

	set, err := c.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
		StackName: aws.String("tagged"), ChangeSetName: aws.String("tags"), UsePreviousTemplate: aws.Bool(true), Tags: tagList("Project", "d"),
		Capabilities: []types.Capability{types.CapabilityCapabilityIam},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: set.Id})
	if err != nil {
		t.Fatal(err)
	}
	var changed []string
	for _, ch := range out.Changes {
		r := ch.ResourceChange
		changed = append(changed, aws.ToString(r.LogicalResourceId)+" "+string(r.Scope[0])+" "+string(r.Details[0].Target.RequiresRecreation))
	}
	if got := strings.Join(changed, ", "); got != "Role Tags Never, Topic Tags Never" {
		t.Errorf("the change set lists %s", got)
	}
}

// TestRejectedTags checks that IAM's rules apply to a stack's tags when they reach a
// role, and CloudFormation's before that.
func TestRejectedTags(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := cloudformation.NewFromConfig(config(f))
	for name, e := range map[string]struct {
		tags []types.Tag
		want string
	}{
		"case":      {tagList("Project", "a", "project", "b"), "Duplicate tag keys found. Please note that Tag keys are case insensitive. (Service: Iam, Status Code: 400"},
		"newline":   {tagList("Note", "two\nlines"), "at 'tags.1.member.value' failed to satisfy constraint: Member must satisfy regular expression pattern"},
		"tab":       {tagList("Note", "a\tb"), "Member must satisfy regular expression pattern"},
		"character": {tagList("Note", "a&b"), "Member must satisfy regular expression pattern"},
		"key":       {tagList("a,b", "c"), "at 'tags.1.member.key'"},
	} {
		if err := createTagged(t, c, name, e.tags); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s := settle(t, c, name)
		reason := ""
		for _, event := range events(t, c, aws.ToString(s.StackId)) {
			if event.ResourceStatus == types.ResourceStatusCreateFailed && aws.ToString(event.LogicalResourceId) == "Role" {
				reason = aws.ToString(event.ResourceStatusReason)
			}
		}
		if s.StackStatus != types.StackStatusRollbackComplete || !strings.Contains(reason, e.want) {
			t.Errorf("%s: %s, %q, want %q", name, s.StackStatus, reason, e.want)
		}
	}
	for name, e := range map[string]struct {
		tags []types.Tag
		want string
	}{
		"reserved": {tagList("AWS:x", "a"), "aws: prefixed tag key names are not allowed"},
		"empty":    {tagList("x", ""), "greater than or equal to 1"},
		"long":     {tagList("x", strings.Repeat("é", 257)), "less than or equal to 256"},
		"long-key": {tagList(strings.Repeat("é", 129), "x"), "less than or equal to 128"},
		"repeated": {tagList("x", "a", "x", "b"), "Duplicate tag key"},
	} {
		wantError(t, createTagged(t, c, name, e.tags), "ValidationError", e.want)
	}
	// Lengths are in characters.
	if err := createTagged(t, c, "characters", tagList(strings.Repeat("é", 128), strings.Repeat("é", 256))); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, f, c, settle(t, c, "characters"), types.StackStatusCreateComplete)
}

// TestSchemas checks that the registry's schemas decide which properties exist, which
// replace the resource, and how long a handler may take.
func TestSchemas(t *testing.T) {
	takes := time.Duration(0)
	f := faketest.Start(t, awsfake.Options{Delay: func(resourceType string) time.Duration {
		if resourceType == "AWS::Lambda::Alias" || resourceType == "AWS::SNS::Topic" {
			return takes
		}
		return 0
	}})
	c, ctx := cloudformation.NewFromConfig(config(f)), t.Context()
	create := func(name, body string) (types.Stack, string) {
		t.Helper()
		if _, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &body, OnFailure: types.OnFailureDoNothing}); err != nil {
			t.Fatal(err)
		}
		s, reason := settle(t, c, name), ""
		for _, e := range events(t, c, name) {
			if e.ResourceStatus == types.ResourceStatusCreateFailed && aws.ToString(e.LogicalResourceId) != name {
				reason = aws.ToString(e.ResourceStatusReason)
			}
		}
		return s, reason
	}
	for name, e := range map[string]struct{ body, want string }{
		"extraneous": {"Resources: {Topic: {Type: AWS::SNS::Topic, Properties: {Colour: red}}}", "Properties validation failed for resource Topic with message:\n#: extraneous key [Colour] is not permitted"},
		"missing":    {"Resources: {Group: {Type: AWS::EC2::SecurityGroup}}", "#: required key [GroupDescription] not found"},
	} {
		if s, reason := create(name, e.body); s.StackStatus != types.StackStatusCreateFailed || !strings.HasSuffix(reason, e.want) {
			t.Errorf("%s: %s, %q, want %q", name, s.StackStatus, reason, e.want)
		}
	}
	takes = 121 * time.Minute // a handler without a timeout of its own has two hours
	if s, reason := create("slow", "Resources: {Topic: {Type: AWS::SNS::Topic}}"); s.StackStatus != types.StackStatusCreateFailed || reason != "Resource timed out waiting for completion" {
		t.Errorf("%s, %q", s.StackStatus, reason)
	}
	takes = 46 * time.Minute // an alias has 45 minutes
	if s, reason := create("alias", "Resources: {Alias: {Type: AWS::Lambda::Alias, Properties: {FunctionName: f, FunctionVersion: '1', Name: live}}}"); s.StackStatus != types.StackStatusCreateFailed || reason != "Resource timed out waiting for completion" {
		t.Errorf("%s, %q", s.StackStatus, reason)
	}
	takes = 0

	const network = `
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Endpoint: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Vpc, ServiceName: com.amazonaws.us-east-1.s3, VpcEndpointType: Gateway, DnsOptions: {DnsRecordIpType: X, PrivateDnsPreference: Y}}}
  Bucket: {Type: AWS::S3::Bucket}
`
	if s, reason := create("network", network); s.StackStatus != types.StackStatusCreateComplete {
		t.Fatalf("%s, %q", s.StackStatus, reason)
	}
	for _, e := range []struct{ from, to, want string }{
		{"DnsRecordIpType: X", "DnsRecordIpType: Z", "Endpoint False"}, // beside a nested create-only property
		{"PrivateDnsPreference: Y", "PrivateDnsPreference: Z", "Endpoint True"},
		{"VpcEndpointType: Gateway, DnsOptions", "VpcEndpointType: Gateway, ServiceRegion: eu-west-1, DnsOptions", "Endpoint True"},
		{"10.0.0.0/16", "10.1.0.0/16", "Vpc True, Endpoint Conditional"},
		{"{Type: AWS::S3::Bucket}", "{Type: AWS::S3::Bucket, Properties: {ObjectLockEnabled: true}}", "Bucket False"},
		{"{Type: AWS::S3::Bucket}", "{Type: AWS::S3::Bucket, Properties: {BucketNamePrefix: mine}}", "Bucket True"},
	} {
		set, err := c.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
			StackName: aws.String("network"), ChangeSetName: aws.String("next"), TemplateBody: aws.String(strings.Replace(network, e.from, e.to, 1)),
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{ChangeSetName: set.Id})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ch := range out.Changes {
			got = append(got, aws.ToString(ch.ResourceChange.LogicalResourceId)+" "+string(ch.ResourceChange.Replacement))
		}
		if list := strings.Join(got, ", "); list != e.want {
			t.Errorf("%s: %s, want %s", e.to, list, e.want)
		}
		if _, err := c.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{ChangeSetName: set.Id}); err != nil {
			t.Fatal(err)
		}
	}
}

package fake_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

// versioned creates testdata/versions.yaml as stack "work".
func versioned(t *testing.T, o awsfake.Options) (*awsfake.Fake, *cloudformation.Client, types.Stack) {
	t.Helper()
	f := faketest.Start(t, o)
	if err := f.Objects().CreateBucket("code"); err != nil {
		t.Fatal(err)
	}
	if err := f.Objects().Put("code", "functions/worker/1.zip", []byte("zip")); err != nil {
		t.Fatal(err)
	}
	c, s := created(t, f, "work", *read(t, "versions.yaml"))
	return f, c, s
}

// reversioned updates the stack.
func reversioned(t *testing.T, c *cloudformation.Client, greeting, number string) types.Stack {
	t.Helper()
	_, err := c.UpdateStack(t.Context(), &cloudformation.UpdateStackInput{
		StackName: aws.String("work"), UsePreviousTemplate: aws.Bool(true), Capabilities: []types.Capability{types.CapabilityCapabilityIam},
		Parameters: []types.Parameter{param("Greeting", greeting), param("Number", number)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return settle(t, c, "work")
}

func TestVersions(t *testing.T) {
	f, c, s := versioned(t, awsfake.Options{})
	const worker = "arn:aws:lambda:us-east-1:123456789012:function:worker"
	physical := func(logicalID, want string) {
		t.Helper()
		if got, _ := f.PhysicalID("work", logicalID); got != want {
			t.Errorf("%s is %q, want %q", logicalID, got, want)
		}
	}
	physical("Version1", worker+":1")
	physical("Live", worker+":live")
	if output(s, "Alias") != worker+":live" {
		t.Errorf("alias is %s", output(s, "Alias"))
	}

	wantStatus(t, f, c, reversioned(t, c, "two", "2"), types.StackStatusUpdateComplete)
	physical("Version1", "")
	physical("Version2", worker+":2")

	// Nothing has changed since version 2.
	s = reversioned(t, c, "two", "3")
	wantStatus(t, f, c, s, types.StackStatusUpdateRollbackComplete)
	want := "A version for this Lambda function exists ( 2 ). Modify the function to create a new version."
	if got := failure(t, c, "work", "Version3", types.ResourceStatusCreateFailed); !strings.Contains(got, want) || !strings.Contains(got, "HandlerErrorCode: AlreadyExists") {
		t.Errorf("reason is %q, want %q", got, want)
	}

	lc := lambda.NewFromConfig(config(f))
	got, err := lc.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("worker"), Qualifier: aws.String("live")})
	if err != nil || aws.ToString(got.Configuration.FunctionArn) != worker+":live" || aws.ToString(got.Configuration.Version) != "2" {
		t.Errorf("live is %+v, %v", got, err)
	}
	_, err = lc.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("worker"), Qualifier: aws.String("1")})
	wantError(t, err, "ResourceNotFoundException", "Function not found: "+worker+":1")

	// Another stack's alias uses the version.
	created(t, f, "other", "Resources:\n  Held: {Type: AWS::Lambda::Alias, Properties: {FunctionName: worker, Name: held, FunctionVersion: '2'}}")
	id := remove(t, f, c, "work", types.StackStatusDeleteFailed)
	want = "Unable to delete version because the following aliases reference it: [held]"
	if got := failure(t, c, id, "Version2", types.ResourceStatusDeleteFailed); !strings.Contains(got, want) {
		t.Errorf("reason is %q, want %q", got, want)
	}
	remove(t, f, c, "other", types.StackStatusDeleteComplete)
	remove(t, f, c, "work", types.StackStatusDeleteComplete)
	if left := f.Existing(); len(left) != 0 {
		t.Errorf("leftovers are %+v", left)
	}
}

func TestVersionRefusals(t *testing.T) {
	f, _, _ := versioned(t, awsfake.Options{})
	const alias = "{Type: AWS::Lambda::Alias, Properties: {FunctionName: worker, "
	for _, tt := range []struct{ name, resource, want string }{
		{"no function", "{Type: AWS::Lambda::Version, Properties: {FunctionName: absent}}", "Function not found: arn:aws:lambda:us-east-1:123456789012:function:absent"},
		{"other code", "{Type: AWS::Lambda::Version, Properties: {FunctionName: worker, CodeSha256: x}}", "CodeSHA256 (x) is different from current CodeSHA256 in $LATEST"},
		{"unchanged", "{Type: AWS::Lambda::Version, Properties: {FunctionName: worker}}", "A version for this Lambda function exists ( 1 )."},
		{"no version", alias + "Name: a, FunctionVersion: '7'}}", "Function not found: arn:aws:lambda:us-east-1:123456789012:function:worker:7"},
		{"no name", alias + "FunctionVersion: '1'}}", "required key [Name] not found"},
		{"name of digits", alias + "Name: '12', FunctionVersion: '1'}}", "at 'name' failed to satisfy constraint"},
		{"alias of an alias", alias + "Name: a, FunctionVersion: live}}", "at 'functionVersion' failed to satisfy constraint"},
		{"alias twice", alias + "Name: live, FunctionVersion: '1'}}", "Alias already exists: arn:aws:lambda:us-east-1:123456789012:function:worker:live"},
		{"provisioned and not published", alias + "Name: a, FunctionVersion: $LATEST, ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}}}", "Provisioned Concurrency Configs cannot be applied to unpublished function versions."},
		{"provisioned above reserved", alias + "Name: a, FunctionVersion: '1', ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 4}}}", "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function"},
		{"provisioned within reserved", alias + "Name: a, FunctionVersion: '1', ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 3}}}", ""},
		{"permission for no alias", "{Type: AWS::Lambda::Permission, Properties: {FunctionName: 'worker:absent', Action: lambda:InvokeFunction, Principal: events.amazonaws.com}}", "Function not found: arn:aws:lambda:us-east-1:123456789012:function:worker:absent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, f, tt.resource); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("reason is %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAlias reaches the function's process through its alias.
func TestAlias(t *testing.T) {
	b := newBootstraps(t)
	if _, err := b.test(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	f, c, _ := versioned(t, awsfake.Options{Bootstrap: b.test, KinesisEndpoint: startMoto(t)})
	ctx := t.Context()
	lc := lambda.NewFromConfig(config(f))
	seen := func(qualifier *string) (greeting, version string) {
		t.Helper()
		out, err := lc.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("worker"), Qualifier: qualifier, Payload: []byte(`{"do":"environment"}`)})
		if err != nil || out.FunctionError != nil {
			t.Fatalf("%v: %s", err, out.Payload)
		}
		var env []string
		if err := json.Unmarshal(out.Payload, &env); err != nil {
			t.Fatal(err)
		}
		for _, v := range env {
			if value, ok := strings.CutPrefix(v, "GREETING="); ok {
				greeting = value
			}
			if value, ok := strings.CutPrefix(v, "AWS_LAMBDA_FUNCTION_VERSION="); ok {
				version = value
			}
		}
		if got := aws.ToString(out.ExecutedVersion); got != version {
			t.Errorf("version %s ran and returned %s", got, version)
		}
		return greeting, version
	}
	live := aws.String("live")
	if greeting, version := seen(live); greeting != "one" || version != "1" {
		t.Errorf("live returns %s, version %s", greeting, version)
	}
	// The function changes; its alias doesn't until it points at a new version.
	wantStatus(t, f, c, reversioned(t, c, "two", "1"), types.StackStatusUpdateComplete)
	if greeting, version := seen(live); greeting != "one" || version != "1" {
		t.Errorf("live returns %s, version %s", greeting, version)
	}
	if greeting, version := seen(nil); greeting != "two" || version != "$LATEST" {
		t.Errorf("the function returns %s, version %s", greeting, version)
	}
	s := reversioned(t, c, "two", "2")
	wantStatus(t, f, c, s, types.StackStatusUpdateComplete)
	if greeting, version := seen(live); greeting != "two" || version != "2" {
		t.Errorf("live returns %s, version %s", greeting, version)
	}

	for method, want := range map[string]int{"GET": 202, "POST": 500} {
		if status, _, body := send(t, f, method, output(s, "Url"), "application/json", "", nil); status != want {
			t.Errorf("%s answers %d %s, want %d", method, status, body, want)
		}
	}
	if err := f.Fire(ctx, "Rule"); err != nil {
		t.Error(err)
	}
	if _, err := kinesis.NewFromConfig(config(f)).PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String(output(s, "Stream")), PartitionKey: aws.String("k"), Data: []byte("one")}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record is read", func() bool { return slices.Contains(f.FunctionLogs("work/Worker"), "record one") })
	mapping, err := lc.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: aws.String(mustPhysical(t, f, "Mapping"))})
	if err != nil || aws.ToString(mapping.FunctionArn) != output(s, "Alias") {
		t.Errorf("mapping is %+v, %v", mapping, err)
	}
	if n := f.Invocations("Worker"); n != 7 {
		t.Errorf("%d invocations, want 7", n)
	}
	// The alias has no retries, the function has two.
	for _, qualifier := range []*string{live, nil} {
		if _, err := lc.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("worker"), Qualifier: qualifier, InvocationType: "Event", Payload: []byte(`{"do":"error"}`)}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both are given up", func() bool { return f.Invocations("Worker") == 7+1+3 })
}

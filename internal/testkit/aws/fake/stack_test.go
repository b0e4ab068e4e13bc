package fake_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

func config(f *awsfake.Fake) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(f.Endpoint),
		Credentials: credentials.NewStaticCredentialsProvider(f.Credentials.AccessKeyID, f.Credentials.SecretAccessKey, ""),
	}
}

func read(t *testing.T, name string) *string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return aws.String(string(data))
}

// settle waits until a stack's operation has ended.
func settle(t *testing.T, c *cloudformation.Client, stack string) types.Stack {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String(stack)})
		if err != nil {
			t.Fatal(err)
		}
		if s := out.Stacks[0]; !strings.HasSuffix(string(s.StackStatus), "_IN_PROGRESS") {
			return s
		}
		select {
		case <-ctx.Done():
			t.Fatalf("stack %s is %s", stack, out.Stacks[0].StackStatus)
		case <-tick.C:
		}
	}
}

func wantStatus(t *testing.T, f *awsfake.Fake, c *cloudformation.Client, s types.Stack, want types.StackStatus) {
	t.Helper()
	if s.StackStatus == want {
		return
	}
	for _, e := range events(t, c, aws.ToString(s.StackId)) {
		t.Logf("%s %s %s", aws.ToString(e.LogicalResourceId), e.ResourceStatus, aws.ToString(e.ResourceStatusReason))
	}
	t.Fatalf("status is %s (%s), want %s", s.StackStatus, aws.ToString(s.StackStatusReason), want)
}

// events returns all events of a stack, oldest first.
func events(t *testing.T, c *cloudformation.Client, stack string) []types.StackEvent {
	t.Helper()
	var all []types.StackEvent
	pages := cloudformation.NewDescribeStackEventsPaginator(c, &cloudformation.DescribeStackEventsInput{StackName: aws.String(stack)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.StackEvents...)
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all
}

func wantError(t *testing.T, err error, code, message string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("error is %v, want %s with %q", err, code, message)
	}
}

func param(key, value string) types.Parameter {
	return types.Parameter{ParameterKey: aws.String(key), ParameterValue: aws.String(value)}
}

func output(s types.Stack, key string) string {
	for _, o := range s.Outputs {
		if aws.ToString(o.OutputKey) == key {
			return aws.ToString(o.OutputValue)
		}
	}
	return ""
}

func TestStackLife(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := cloudformation.NewFromConfig(config(f))
	ctx := t.Context()
	const name = "life"
	create := func(params ...types.Parameter) error {
		_, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{
			StackName: aws.String(name), TemplateBody: read(t, "small.yaml"), Parameters: params,
			Capabilities: []types.Capability{types.CapabilityCapabilityIam}, ClientRequestToken: aws.String("token-1"),
		})
		return err
	}
	wantError(t, create(), "ValidationError", "Parameters: [Password] must have values")
	wantError(t, create(param("Password", "short"), param("Nothing", "x")), "ValidationError", "Parameters: [Nothing] do not exist in the template")
	wantError(t, create(param("Password", "short")), "ValidationError", "Parameter Password failed to satisfy constraint: eight letters or more")
	if err := create(param("Password", "longenough")); err != nil {
		t.Fatal(err)
	}
	s := settle(t, c, name)
	wantStatus(t, f, c, s, types.StackStatusCreateComplete)
	if got := output(s, "SecondBlock"); got != "10.1.0.64/26" {
		t.Errorf("SecondBlock is %q", got)
	}
	if got := output(s, "Greeting"); got != "hello life in us-east-1, ${literal}" {
		t.Errorf("Greeting is %q", got)
	}
	for _, p := range s.Parameters {
		if aws.ToString(p.ParameterKey) == "Password" && aws.ToString(p.ParameterValue) != "****" {
			t.Error("a NoEcho parameter is visible")
		}
	}
	if err := create(param("Password", "longenough")); err != nil {
		t.Errorf("the same token again: %v", err)
	}
	var initiated int
	for _, e := range events(t, c, name) {
		if aws.ToString(e.ClientRequestToken) != "token-1" {
			t.Errorf("event %s has token %s", aws.ToString(e.EventId), aws.ToString(e.ClientRequestToken))
		}
		if aws.ToString(e.ResourceStatusReason) == "Resource creation Initiated" && aws.ToString(e.PhysicalResourceId) != "" {
			initiated++
		}
	}
	if initiated != 7 {
		t.Errorf("%d resources were initiated, want 7", initiated)
	}
}

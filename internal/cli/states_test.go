package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/streamctl/streamctl/internal/cli"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

// startStandIn starts a fake of AWS, and sets the environment of a program that uses it, with
// more variables.
func startStandIn(t *testing.T, o awsfake.Options, more ...string) *awsfake.Fake {
	t.Helper()
	fake := faketest.Start(t, o)
	for _, pair := range slices.Concat(fake.Environment(), []string{"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull}, more) {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	return fake
}

// TestEveryStatusShown runs status and outputs on a stack in each status;
// internal/deploy does the same for deploy and destroy.
func TestEveryStatusShown(t *testing.T) {
	fake := startStandIn(t, awsfake.Options{})
	variables := filepath.Join(t.TempDir(), "variables.yaml")
	if err := os.WriteFile(variables, []byte("StackName: shown\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stacks := stacksOf(fake)
	run := func(verb string) (code int, stdout, stderr string) {
		var out, story bytes.Buffer
		app := cli.App{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &story, Getenv: os.Getenv, Environ: os.Environ, Poll: time.Millisecond}
		code = app.Run(t.Context(), []string{verb, "--variables", variables})
		return code, out.String(), story.String()
	}
	for _, verb := range []string{"status", "outputs"} {
		if code, _, said := run(verb); code != 1 || !strings.Contains(said, "stack does not exist: shown in account 123456789012, us-east-1") {
			t.Errorf("%s without a stack: %d %s", verb, code, said)
		}
	}
	const body = `{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"TopicArn": {"Value": {"Ref": "Topic"}}}}`
	if _, err := stacks.CreateStack(t.Context(), &cfn.CreateStackInput{StackName: aws.String("shown"), TemplateBody: aws.String(body)}); err != nil {
		t.Fatal(err)
	}
	if err := cfn.NewStackCreateCompleteWaiter(stacks, func(o *cfn.StackCreateCompleteWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, time.Second }).
		Wait(t.Context(), &cfn.DescribeStacksInput{StackName: aws.String("shown")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, s := range stack.States() {
		if s.Status == stack.StatusNone || s.Status == stack.StatusDeleteComplete { // no stack of that name
			continue
		}
		t.Run(string(s.Status), func(t *testing.T) {
			if err := fake.SetStackStatus("shown", string(s.Status)); err != nil {
				t.Fatal(err)
			}
			code, out, _ := run("status")
			if code != 0 || !strings.HasPrefix(out, "shown  "+string(s.Status)+": "+s.Meaning+"\n") || strings.Contains(out, "\nnext: ") != (s.Next != "") {
				t.Errorf("status: %d\n%s", code, out)
			}
			code, out, said := run("outputs")
			if code != 0 || !strings.HasPrefix(out, "TopicArn  arn:aws:sns:") || strings.Contains(said, "its outputs may be out of date") == s.Outputs {
				t.Errorf("outputs: %d\n%s%s", code, out, said)
			}
		})
	}
}

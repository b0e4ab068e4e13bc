package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/cli"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/template"
	"github.com/streamctl/streamctl/internal/testkit/aws/everyoption"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// platform is a stack of the product's template on the stand-in, without functions that
// run.
type platform struct {
	*awsfake.Fake
	// dir has variables.yaml.
	dir       string
	variables config.Variables
}

// startPlatform creates the stack "shown" with these lines of variables.yaml.
func startPlatform(t *testing.T, o awsfake.Options, lines string, more ...string) platform {
	t.Helper()
	if o.Answer == nil {
		o.Answer = func(context.Context, string, map[string]any) (map[string]any, error) { return nil, nil }
	}
	p := platform{Fake: startStandIn(t, o, more...), dir: t.TempDir()}
	lines = "StackName: shown\n" + strings.ReplaceAll(lines, "StackName:", "#")
	if err := os.WriteFile(filepath.Join(p.dir, "variables.yaml"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if p.variables, err = config.Load(strings.NewReader(lines), "variables.yaml", config.Production); err != nil {
		t.Fatal(err)
	}
	bucket, keys := template.ArtifactBucketName("123456789012", "us-east-1"), map[string]string{}
	_ = p.Objects().CreateBucket(bucket)
	_ = p.Objects().CreateBucket(everyoption.Replica)
	_ = p.Objects().CreateBucket(everyoption.Replayed)
	if err := p.Objects().SetVersioning(everyoption.Replica, "Enabled"); err != nil {
		t.Fatal(err)
	}
	for _, fn := range contract.Functions() {
		keys[fn.Name] = "functions/" + fn.Name + "/0123.zip"
		if err := p.Objects().Put(bucket, keys[fn.Name], []byte(fn.Name)); err != nil {
			t.Fatal(err)
		}
	}
	built, err := template.Build(p.variables, template.Options{CodeKeys: keys})
	if err != nil {
		t.Fatal(err)
	}
	body, err := built.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Objects().Put(bucket, "main.yaml", body); err != nil {
		t.Fatal(err)
	}
	stacks := stacksOf(p.Fake)
	_, err = stacks.CreateStack(t.Context(), &cfn.CreateStackInput{
		StackName: aws.String("shown"), TemplateURL: aws.String(p.Endpoint + "/" + bucket + "/main.yaml"), Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		Parameters: []types.Parameter{{ParameterKey: aws.String("DatabasePassword"), ParameterValue: aws.String("Platform-Password-123")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cfn.NewStackCreateCompleteWaiter(stacks, func(o *cfn.StackCreateCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).
		Wait(t.Context(), &cfn.DescribeStacksInput{StackName: aws.String("shown")}, time.Minute); err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs a verb with the platform's variables.
func (p platform) run(ctx context.Context, t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, story bytes.Buffer
	app := cli.App{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &story, Getenv: os.Getenv, Environ: os.Environ, Poll: time.Millisecond}
	code = app.Run(ctx, append(args, "--variables", filepath.Join(p.dir, "variables.yaml")))
	return code, out.String(), story.String()
}

// variablesIn writes variables.yaml into a folder.
func variablesIn(t *testing.T, dir, lines string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "variables.yaml"), []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
}

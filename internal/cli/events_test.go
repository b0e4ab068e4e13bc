package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/streamctl/streamctl/internal/cli"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// eventLine has the fields of a line that the test checks.
type eventLine struct {
	Type, Verb, Text, Message, Status string
	LogicalID                         string `json:"logicalId"`
	ExitCode                          int
	Hint                              string
	Causes                            []struct{ LogicalID, Reason string }
	For                               []struct{ LogicalID, Usual string }
	Result                            map[string]any
}

// TestEvents runs create, an update that fails, status and destroy, and validates every
// line of their output against the documented schema.
func TestEvents(t *testing.T) {
	fake, run := events(t, awsfake.Options{Delay: func(kind string) time.Duration {
		if kind == "AWS::RDS::DBInstance" {
			return 300 * time.Millisecond
		}
		return 0
	}})
	created := run(0, "deploy", "-o", "json")
	last := created[len(created)-1]
	if outputs, _ := last.Result["outputs"].(map[string]any); last.Type != "result" || last.Verb != "deploy" || last.Result["changed"] != true || outputs["StreamName"] == "" {
		t.Errorf("create ends with %+v", last)
	}
	for _, want := range []func(eventLine) bool{
		func(e eventLine) bool { return e.Type == "step" && strings.HasPrefix(e.Text, "Creating stack shown") },
		func(e eventLine) bool {
			return e.Type == "resource" && e.LogicalID == "Database" && e.Status == "CREATE_COMPLETE"
		},
		func(e eventLine) bool {
			return e.Type == "waiting" && len(e.For) > 0 && e.For[0].LogicalID == "Database" && e.For[0].Usual != ""
		},
	} {
		if !slices.ContainsFunc(created, want) {
			t.Errorf("an event is missing among %d of the create", len(created))
		}
	}
	if again := run(0, "deploy", "-o", "json"); again[len(again)-1].Result["changed"] != false {
		t.Errorf("no change: %+v", again)
	}

	fake.FailResource("shown/ProcessorFunction", "Member must have value less than or equal to 768")
	failed := run(5, "deploy", "-o", "json", "--variables", "changed.yaml")
	last = failed[len(failed)-1]
	if last.Type != "error" || last.ExitCode != 5 || last.Hint == "" || last.Message != "update stack shown: ended as UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("the update ends with %+v", last)
	}
	if len(last.Causes) != 1 || last.Causes[0].LogicalID != "ProcessorFunction" || !strings.Contains(last.Causes[0].Reason, "768") {
		t.Errorf("causes: %+v", last.Causes)
	}

	if got := run(0, "status", "--follow", "-o", "json"); len(got) != 1 || got[0].Result["status"] != "UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("status: %+v", got)
	}
	if got := run(6, "destroy", "-o", "json", "--lift-protection"); got[0].Type != "error" || got[0].Hint == "" {
		t.Errorf("destroy without a yes: %+v", got)
	}
	destroyed := run(0, "destroy", "-o", "json", "--yes", "--lift-protection")
	last = destroyed[len(destroyed)-1]
	if last.Type != "result" || last.Verb != "destroy" || last.Result["deleted"] != true {
		t.Errorf("destroy ends with %+v", last)
	}
	if got := run(0, "destroy", "-o", "json", "--yes"); len(got) != 1 || got[0].Result["existed"] != false {
		t.Errorf("destroy of nothing: %+v", got)
	}
	if got := run(1, "status", "--follow", "-o", "json"); len(got) != 1 || got[0].Type != "error" || got[0].Message == "" {
		t.Errorf("status of nothing: %+v", got)
	}
}

// TestEventsOfAnother follows a create and a delete started by another operator.
func TestEventsOfAnother(t *testing.T) {
	fake, run := events(t, awsfake.Options{Delay: func(string) time.Duration { return 200 * time.Millisecond }})
	stacks := stacksOf(fake)
	const body = `{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}, "Bucket": {"Type": "AWS::S3::Bucket", "DependsOn": "Topic"}}}`
	if _, err := stacks.CreateStack(t.Context(), &cfn.CreateStackInput{StackName: aws.String("shown"), TemplateBody: aws.String(body)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CREATE", "DELETE"} {
		got := run(0, "status", "--follow", "-o", "json")
		if last := got[len(got)-1]; last.Type != "result" || last.Verb != "status" || last.Result["status"] != want+"_COMPLETE" {
			t.Errorf("%s ends with %+v", want, last)
		}
		if !slices.ContainsFunc(got, func(e eventLine) bool { return e.LogicalID == "Bucket" && e.Status == want+"_COMPLETE" }) {
			t.Errorf("%s: the bucket's end is missing in %+v", want, got)
		}
		if _, err := stacks.DeleteStack(t.Context(), &cfn.DeleteStackInput{StackName: aws.String("shown")}); err != nil {
			t.Fatal(err)
		}
	}
}

// events starts a fake of AWS. run runs a command with it, and returns the lines of its
// output, each of which the schema must allow.
func events(t *testing.T, o awsfake.Options) (fake *awsfake.Fake, run func(code int, args ...string) []eventLine) {
	t.Helper()
	o.Answer = answered
	const secret = "Events-Password-123"
	fake = startStandIn(t, o, "STREAMCTL_DATABASE_PASSWORD="+secret)
	dir := t.TempDir()
	for file, text := range map[string]string{
		"variables.yaml": "Environment: development\nStackName: shown\n",
		"changed.yaml":   "Environment: development\nStackName: shown\nFunctions: {processor: {MemorySize: 1024}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	schema := strictly(t)
	run = func(code int, args ...string) []eventLine {
		t.Helper()
		file := "variables.yaml"
		if i := slices.Index(args, "--variables"); i > 0 {
			file, args = args[i+1], slices.Delete(slices.Clone(args), i, i+2)
		}
		args = append(args, "--variables", filepath.Join(dir, file))
		if args[0] == "deploy" {
			args = append(args, "--source", "../..")
		}
		var out, story bytes.Buffer
		app := cli.App{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &story, Getenv: os.Getenv, Environ: os.Environ, Poll: 10 * time.Millisecond, Remind: 50 * time.Millisecond}
		if got := app.Run(t.Context(), args); got != code {
			t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, &out, &story)
		}
		if strings.Contains(out.String()+story.String(), secret) {
			t.Errorf("%v tells the password", args)
		}
		var lines []eventLine
		for text := range strings.Lines(out.String()) {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err == nil {
				err = schema.Validate(value)
			}
			if err != nil {
				t.Errorf("%s%v", text, err)
			}
			var l eventLine
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Errorf("%s%v", text, err)
			}
			if len(lines) > 0 && slices.Contains([]string{"result", "error"}, lines[len(lines)-1].Type) {
				t.Errorf("something comes after the last line: %s", text)
			}
			lines = append(lines, l)
		}
		if len(lines) == 0 {
			t.Fatalf("%v: no lines", args)
		}
		return lines
	}
	return fake, run
}

// strictly returns the documented schema without the permission for unknown keys, which
// later versions may add: this version's keys are all documented.
func strictly(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("../../docs/progress-output.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	kinds, _ := doc["$defs"].(map[string]any)
	for name, kind := range kinds {
		if object, _ := kind.(map[string]any); object["type"] == "object" && name != "answer" {
			object["additionalProperties"] = false
		}
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("events.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("events.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// answered makes every custom resource succeed.
func answered(context.Context, string, map[string]any) (map[string]any, error) {
	return map[string]any{}, nil
}

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// TestBriefCommands creates production with the documented commands of the AWS
// CLI, word for word.
func TestBriefCommands(t *testing.T) {
	have(t, "aws")
	w := newWorkplace(t, "ArchiverMapping: {WindowSeconds: 1}")
	w.streamctl("package").want(0)
	r := w.streamctl("render").want(0)
	if err := os.WriteFile(w.dir+"/main.yaml", []byte(r.stdout), 0o644); err != nil {
		t.Fatal(err)
	}
	create := func(parameters ...string) result {
		return w.aws(append(append([]string{"cloudformation", "create-stack", "--stack-name", "event-streaming-platform", "--template-body", "file://main.yaml", "--parameters"},
			parameters...), "--capabilities", "CAPABILITY_NAMED_IAM", "--region", "us-east-1")...)
	}
	const environment = "ParameterKey=Environment,ParameterValue=production"
	for _, tt := range []struct{ parameter, says string }{
		{"ParameterKey=DatabasePassword,ParameterValue=short", "8 to 128 printable ASCII characters"},
		{"ParameterKey=VpcCidr,ParameterValue=54.0.0.0/16", "a private IPv4 block between /16 and /24"},
		{"ParameterKey=DatabaseUsername,ParameterValue=Admin-1", "1 to 16 small letters"},
		{"ParameterKey=DatabaseInstanceClass,ParameterValue=t3.medium", "an RDS class such as"},
	} {
		with := []string{environment, tt.parameter}
		if !strings.Contains(tt.parameter, "Password") {
			with = append(with, "ParameterKey=DatabasePassword,ParameterValue="+password)
		}
		r := create(with...)
		if r.code == 0 || !strings.Contains(r.stderr, tt.says) {
			t.Errorf("%s: %d %s", tt.parameter, r.code, r.stderr)
		}
	}
	create("ParameterKey=Environment,ParameterValue=staging", "ParameterKey=DatabasePassword,ParameterValue="+password).says("rendered for production")
	create(environment, "ParameterKey=DatabasePassword,ParameterValue="+password).want(0).says("StackId")
	if status := w.settled("event-streaming-platform"); status != "CREATE_COMPLETE" {
		t.Fatalf("create: %s\n%s", status, w.aws("cloudformation", "describe-stack-events", "--stack-name", "event-streaming-platform").stdout)
	}
	outputs := w.aws("cloudformation", "describe-stacks", "--stack-name", "event-streaming-platform", "--query", "Stacks[0].Outputs", "--output", "json").want(0)
	var list []struct{ OutputKey, OutputValue string }
	if err := json.Unmarshal([]byte(outputs.stdout), &list); err != nil || len(list) < 20 {
		t.Fatalf("%d outputs: %v\n%s", len(list), err, outputs.stdout)
	}
	s := w.deployed("event-streaming-platform")
	for _, o := range list {
		if o.OutputValue == "" || o.OutputValue != s.outputs[o.OutputKey] {
			t.Errorf("output %s: %q, with the program %q", o.OutputKey, o.OutputValue, s.outputs[o.OutputKey])
		}
	}
	s.exercise()
	w.aws("logs", "describe-log-groups", "--log-group-name-prefix", "/aws/lambda/").want(0).says(s.outputs["IngestLogGroup"])
	w.aws("kinesis", "describe-stream", "--stream-name", s.outputs["StreamName"]).want(0).says("ACTIVE")
	s.deleteProtected()

	// Immediately again, now with the program; the first stack's snapshot and
	// key still exist.
	w.streamctl("deploy").want(0).says("Created stack event-streaming-platform.")
	w.streamctl("destroy", "--yes", "--lift-protection", "--no-drain").want(8).says("AWS::RDS::DBSnapshot")
}

// settled requests a stack's status with the documented command until its
// operation has ended.
func (w *workplace) settled(name string) (status string) {
	w.t.Helper()
	eventually(w.t, "settle", func(context.Context) error {
		r := w.aws("cloudformation", "describe-stacks", "--stack-name", name, "--query", "Stacks[0].StackStatus", "--output", "text")
		status = strings.TrimSpace(r.stdout)
		if strings.Contains(r.stderr, "does not exist") {
			status = "gone"
		}
		if strings.HasSuffix(status, "_IN_PROGRESS") {
			return errors.New(status)
		}
		return nil
	})
	return status
}

// deleteProtected deletes production with the AWS CLI, which stops where AWS
// would, and completes the deletion with the program.
func (s stack) deleteProtected() {
	s.t.Helper()
	s.aws("cloudformation", "delete-stack", "--stack-name", s.name).want(0)
	if status := s.settled(s.name); status != "DELETE_FAILED" {
		s.t.Errorf("delete-stack on a protected database: %s", status)
	}
	s.streamctl("status").want(0).says("DELETE_FAILED").says("Cannot delete protected DB Instance").says("not empty")
	s.streamctl("destroy", "--yes").want(6).says("deletion protection of database")
	r := s.streamctl("destroy", "--yes", "--lift-protection", "--no-drain").want(8).says("AWS::RDS::DBSnapshot").says("AWS::KMS::Key")
	var types []string
	for line := range strings.Lines(existing(s.platform.Fake, s.name)) {
		types = append(types, strings.Fields(line)[0])
	}
	if got := strings.Join(types, " "); got != "AWS::KMS::Key AWS::RDS::DBSnapshot" {
		s.t.Errorf("left: %s\n%s", got, r.stdout)
	}
}

// TestDeleteStackAlone deletes a development stack with an empty archive using
// only the AWS CLI.
func TestDeleteStackAlone(t *testing.T) {
	have(t, "aws")
	w := newWorkplace(t, "StackName: alone")
	w.streamctl("deploy", "--env", "development").want(0)
	w.aws("cloudformation", "delete-stack", "--stack-name", "alone").want(0)
	if status := w.settled("alone"); status != "gone" {
		t.Errorf("delete-stack: %s", status)
	}
	// CloudFormation leaves the account-wide role, which other APIs may use to
	// write their logs.
	if left := existing(w.platform.Fake, "alone"); left != "AWS::IAM::Role ApiAccountRole" {
		t.Errorf("left:\n%s", left)
	}
	skipped := map[string]bool{}
	for _, l := range w.platform.Fake.Leftovers() {
		if l.StackName == "alone" {
			skipped[l.LogicalID] = true
		}
	}
	for _, id := range []string{"ApiAccount", "ApiAccountRole", "Migrations"} {
		if !skipped[id] {
			t.Errorf("%s was not skipped: %v", id, skipped)
		}
	}
}

package fake_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
	"github.com/streamctl/streamctl/internal/testkit/must"
)

// awsCLI returns a function that runs the AWS CLI against the fake and returns
// stdout, stderr and the exit code.
func awsCLI(t *testing.T, f *awsfake.Fake) func(args ...string) (string, string, int) {
	t.Helper()
	path := must.Have(t, "aws", "pip install awscli")
	return func(args ...string) (string, string, int) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_PAGER=", "PYENV_ROOT=" + pyenv()}, f.Environment()...)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return strings.TrimSpace(out.String()), errs.String(), cmd.ProcessState.ExitCode()
	}
}

// pyenv returns the folder in which a pyenv shim finds its Pythons, independent
// of HOME.
func pyenv() string {
	if root := os.Getenv("PYENV_ROOT"); root != "" {
		return root
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".pyenv")
}

func TestCLI(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	run := awsCLI(t, f)
	ok := func(args ...string) string {
		t.Helper()
		out, errs, code := run(args...)
		if code != 0 {
			t.Fatalf("aws %v: exit %d\n%s", args, code, errs)
		}
		return out
	}
	create := func(password string) []string {
		return []string{
			"cloudformation", "create-stack", "--stack-name", "by-hand", "--template-body", "file://testdata/small.yaml",
			"--parameters", "ParameterKey=Password,ParameterValue=" + password, "--capabilities", "CAPABILITY_NAMED_IAM",
		}
	}
	if _, errs, code := run(create("1")...); code == 0 || !strings.Contains(errs, "Parameter Password failed to satisfy constraint: eight letters or more") {
		t.Errorf("exit %d: %s", code, errs)
	}
	ok(create("longenough")...)
	ok("cloudformation", "wait", "stack-create-complete", "--stack-name", "by-hand")
	bucket := ok("cloudformation", "describe-stacks", "--stack-name", "by-hand", "--query", "Stacks[0].Outputs[?OutputKey=='BucketName'].OutputValue", "--output", "text")
	if !strings.HasPrefix(bucket, "by-hand-bucket-") {
		t.Errorf("bucket is %q", bucket)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	ok("s3", "cp", file, "s3://"+bucket+"/a/b")
	if out := ok("s3", "ls", "s3://"+bucket+"/a/"); !strings.HasSuffix(out, "7 b") {
		t.Errorf("listing is %q", out)
	}
	if out := ok("sts", "get-caller-identity", "--query", "Account", "--output", "text"); out != "123456789012" {
		t.Errorf("account is %q", out)
	}
	ok("cloudformation", "delete-stack", "--stack-name", "by-hand")
	if _, errs, code := run("cloudformation", "wait", "stack-delete-complete", "--stack-name", "by-hand"); code == 0 || !strings.Contains(errs, "DELETE_FAILED") {
		t.Errorf("exit %d: %s", code, errs)
	}
	ok("s3api", "delete-object", "--bucket", bucket, "--key", "a/b", "--version-id",
		ok("s3api", "list-object-versions", "--bucket", bucket, "--query", "Versions[0].VersionId", "--output", "text"))
	ok("cloudformation", "delete-stack", "--stack-name", "by-hand")
	ok("cloudformation", "wait", "stack-delete-complete", "--stack-name", "by-hand")
	if left := f.Existing(); len(left) != 0 {
		t.Errorf("leftovers are %+v", left)
	}
	if _, errs, code := run("sns", "list-topics"); code == 0 || !strings.Contains(errs, "the fake does not support sns:ListTopics") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// TestProtected deletes resources that CloudFormation protects.
func TestProtected(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	run := awsCLI(t, f)
	if _, errs, code := run("cloudformation", "create-stack", "--stack-name", "prod", "--template-body", "file://testdata/database.json"); code != 0 {
		t.Fatal(errs)
	}
	wait := func(what string) (string, int) {
		_, errs, code := run("cloudformation", "wait", "stack-"+what+"-complete", "--stack-name", "prod")
		return errs, code
	}
	if errs, code := wait("create"); code != 0 {
		t.Fatal(errs)
	}
	if _, errs, code := run("cloudformation", "delete-stack", "--stack-name", "prod"); code != 0 {
		t.Fatal(errs)
	}
	if _, code := wait("delete"); code == 0 {
		t.Error("a protected database was deleted")
	}
	reason, _, _ := run("cloudformation", "describe-stack-events", "--stack-name", "prod", "--query", "StackEvents[?ResourceStatus=='DELETE_FAILED'&&LogicalResourceId=='Database'].ResourceStatusReason", "--output", "text")
	if !strings.Contains(reason, "Cannot delete protected DB Instance, please disable deletion protection and try again.") {
		t.Errorf("reason is %q", reason)
	}
	id, _ := f.PhysicalID("prod", "Database")
	for _, args := range [][]string{
		// AWS CLI 1 ignores AWS_ENDPOINT_URL for rds.
		{"--endpoint-url", f.Endpoint, "rds", "modify-db-instance", "--db-instance-identifier", id, "--no-deletion-protection"},
		{"cloudformation", "delete-stack", "--stack-name", "prod"},
		{"cloudformation", "wait", "stack-delete-complete", "--stack-name", "prod"},
	} {
		if _, errs, code := run(args...); code != 0 {
			t.Fatalf("aws %v: %s", args, errs)
		}
	}
	snapshots := f.Snapshots()
	if len(snapshots) != 1 || !strings.HasPrefix(snapshots[0].ID, "prod-snapshot-database-") {
		t.Fatalf("snapshots are %+v", snapshots)
	}
	out, errs, code := run("--endpoint-url", f.Endpoint, "rds", "describe-db-snapshots", "--query", "DBSnapshots[].DBSnapshotIdentifier", "--output", "text")
	if code != 0 || out != snapshots[0].ID {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	for _, e := range f.Existing() {
		if e.Type != "AWS::RDS::DBSnapshot" && e.LogicalID != "Key" {
			t.Errorf("leftovers are %+v", e)
		}
	}
}

package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/database"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/stacktemplate"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// afterDatabase makes the topic the last resource of a template, and encrypts the
// database with the key.
func afterDatabase(body []byte) []byte {
	body = bytes.Replace(body, []byte("Engine: postgres,"), []byte("Engine: postgres, StorageEncrypted: true, KmsKeyId: !GetAtt Key.Arn,"), 1)
	return bytes.Replace(body, []byte("    Type: AWS::SNS::Topic\n"), []byte("    Type: AWS::SNS::Topic\n    DependsOn: [Database, Bucket]\n"), 1)
}

// doomed is a change whose topic is created after the protected database.
func doomed(t *testing.T) change {
	t.Helper()
	r := request(t, "one", true)
	r.Template = afterDatabase(r.Template)
	return r
}

// failedCreate leaves a stack in ROLLBACK_FAILED: the create of a program that uses this
// request token.
func failedCreate(t *testing.T, op *deploy.Operator, fake *awsfake.Fake, token *string) stack.Stack {
	t.Helper()
	fake.FailResource("Topic", "topic rejected")
	_, err := op.CloudFormation.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: aws.String("events"), TemplateBody: aws.String(string(doomed(t).Template)), ClientRequestToken: token,
		EnableTerminationProtection: aws.Bool(true), Parameters: []types.Parameter{{ParameterKey: aws.String("DatabasePassword"), ParameterValue: aws.String(password)}}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = op.Follow(t.Context(), "events") // fails
	s, err := op.Describe(t.Context(), "events")
	if err != nil || s.Status != stack.StatusRollbackFailed {
		t.Fatalf("the rollback of a create with a protected database ended as %s, %v", s.Status, err)
	}
	return s
}

// ownToken is the request token of a deploy.
var ownToken = aws.String("deploy-0123456789abcdef-1")

// remaining lists the existing resources of a type.
func remaining(fake *awsfake.Fake, kind string) (out []string) {
	for _, e := range fake.Existing() {
		if e.Type == kind || kind == "" {
			out = append(out, e.Type+" "+e.PhysicalID)
		}
	}
	return out
}

// TestFailedCreateUndoesItself fails a create after its protected database: the same run
// deletes the remains without a snapshot, and the next one creates the stack.
func TestFailedCreateUndoesItself(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	fake.FailResource("Topic", "topic rejected")
	_, err := run(t.Context(), op, doomed(t))
	var failed *stack.FailedError
	if !errors.As(err, &failed) || failed.Status != "ROLLBACK_FAILED" || !failed.Undone || failed.Causes[0].LogicalID != "Topic" {
		t.Fatalf("got %v\n%s", err, lines)
	}
	if !strings.Contains(err.Error(), "left: AWS::KMS::Key") || !strings.Contains(err.Error(), "cancel-key-deletion") || !strings.Contains(failed.Hint(), "same command") {
		t.Errorf("%v, hint %q", err, failed.Hint())
	}
	if left := remaining(fake, ""); len(left) > 0 || len(fake.PendingKeys()) != 1 || len(fake.AutomatedBackups()) > 0 {
		t.Errorf("left: %v, keys %v, backups %v", left, fake.PendingKeys(), fake.AutomatedBackups())
	}
	if outcome := apply(t, op, doomed(t)); !outcome.Created {
		t.Errorf("the next deploy: %+v", outcome)
	}
}

// TestEarlierCreateIsUndone finds what an earlier run left.
func TestEarlierCreateIsUndone(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	failedCreate(t, op, fake, ownToken)
	if outcome := apply(t, op, doomed(t)); !outcome.Created {
		t.Fatalf("%+v\n%s", outcome, lines)
	}
	if keys, snapshots := fake.PendingKeys(), fake.Snapshots(); len(keys) != 1 || len(snapshots) > 0 || len(remaining(fake, "AWS::KMS::Key")) != 1 {
		t.Errorf("keys %v, snapshots %v", keys, snapshots)
	}
}

// TestUndoAsks keeps the remains of a create that may hold data, and asks with the names
// of the database and the bucket.
func TestUndoAsks(t *testing.T) {
	for name, tt := range map[string]struct {
		token    *string
		archived bool
		later    time.Duration
		want     string
	}{
		"archived object": {ownToken, true, 0, "is not empty: events were accepted"},
		"another program": {nil, false, 0, "not begun by `streamctl deploy`"},
		"a day ago":       {ownToken, false, 25 * time.Hour, "more than 24 hours ago"},
	} {
		op, fake, lines := operator(t, awsfake.Options{Delay: func(kind string) time.Duration {
			if kind == "AWS::SNS::Topic" { // time to archive
				return 200 * time.Millisecond
			}
			return 0
		}})
		if tt.archived {
			archiveSoon(t, fake)
		}
		failedCreate(t, op, fake, tt.token)
		op.Now = func() time.Time { return time.Now().Add(tt.later) }
		before := remaining(fake, "")
		r := doomed(t)
		if _, err := run(t.Context(), op, r); err == nil {
			t.Errorf("%s: it did not ask", name)
		}
		var asked string
		no := errors.New("no")
		r.Agree = func(remains, _ string) error { asked = remains; return no }
		if _, err := run(t.Context(), op, r); !errors.Is(err, no) {
			t.Errorf("%s: declined: %v", name, err)
		}
		if after := remaining(fake, ""); !slices.Equal(before, after) {
			t.Errorf("%s: declining changed %v to %v", name, before, after)
		}
		_, instance, _ := strings.Cut(remaining(fake, "AWS::RDS::DBInstance")[0], " ")
		if !strings.Contains(asked, tt.want) || !strings.Contains(asked, instance) || strings.Contains(asked, "AWS::S3::Bucket events-bucket-") != tt.archived {
			t.Errorf("%s: asked %q", name, asked)
		}
		r.Agree = func(string, string) error { return nil }
		if outcome, err := run(t.Context(), op, r); err != nil || !outcome.Created || len(fake.Snapshots()) > 0 || len(fake.PendingKeys()) != 1 {
			t.Errorf("%s: agreed: %v\n%s", name, err, lines)
		}
	}
}

// archiveSoon puts an object into the first bucket.
func archiveSoon(t *testing.T, fake *awsfake.Fake) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		for {
			for _, b := range fake.Objects().Buckets() {
				done <- fake.Objects().Put(b, "raw/v1/1", []byte("x"))
				return
			}
			if err := pause.For(t.Context(), time.Millisecond); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestUndoLeavesANewerStack makes another stack of the same name between the plan and the
// undo.
func TestUndoLeavesANewerStack(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	failedCreate(t, op, fake, nil)
	plan, err := op.PlanUndo(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	again, err := op.PlanUndo(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op.UndoCreate(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	made := apply(t, op, request(t, "two", true)).Stack
	before := remaining(fake, "")
	if _, err := op.UndoCreate(t.Context(), plan); err != nil {
		t.Errorf("the second undo: %v", err)
	}
	now, err := op.Describe(t.Context(), "events")
	if err != nil || now.ID != made.ID || !now.Protected || !slices.Equal(before, remaining(fake, "")) {
		t.Errorf("the new stack: %+v, %v", now, err)
	}
}

// TestUndoOfACompleteStack is rejected.
func TestUndoOfACompleteStack(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", true))
	var state *stack.StateError
	if _, err := op.PlanUndo(t.Context(), "events"); !errors.As(err, &state) {
		t.Errorf("got %v", err)
	}
}

// TestUndoKeepsAForeignDatabase has another instance under the name of the stack's.
func TestUndoKeepsAForeignDatabase(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	failedCreate(t, op, fake, ownToken)
	id := strings.TrimPrefix(remaining(fake, "AWS::RDS::DBInstance")[0], "AWS::RDS::DBInstance ")
	fake.ReplaceDatabase(id, "arn:aws:cloudformation:us-east-1:123456789012:stack/events/other")
	var foreign *database.ForeignError
	if _, err := run(t.Context(), op, doomed(t)); !errors.As(err, &foreign) || !strings.Contains(err.Error(), id) {
		t.Errorf("got %v", err)
	}
	if len(remaining(fake, "AWS::RDS::DBInstance")) != 1 {
		t.Error("the instance is gone")
	}
}

// TestUndoWaitsForTheDatabase fails the create while the database is created: RDS rejects
// every change until it was backed up.
func TestUndoWaitsForTheDatabase(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{DatabaseStep: 100 * time.Millisecond})
	r := request(t, "one", true)
	fake.FailResource("Topic", "topic rejected")
	_, err := run(t.Context(), op, r)
	var failed *stack.FailedError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if failed.Status == "ROLLBACK_FAILED" && !failed.Undone {
		t.Errorf("%v\n%s", err, lines)
	}
	if left := remaining(fake, ""); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if outcome := apply(t, op, r); !outcome.Created {
		t.Errorf("%+v", outcome)
	}
}

// TestProductionFailsAtEachResource fails the first create of production at each of its
// resources: the next deploy succeeds, and nothing is left or exists twice.
func TestProductionFailsAtEachResource(t *testing.T) {
	body, err := os.ReadFile("../../testdata/golden/production.yaml")
	if err != nil {
		t.Fatal(err)
	}
	resources, err := stacktemplate.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	var undone atomic.Int64
	t.Run("each", func(t *testing.T) {
		for id := range resources {
			t.Run(id, func(t *testing.T) {
				t.Parallel()
				if failsAt(t, body, resources, id) {
					undone.Add(1)
				}
			})
		}
	})
	t.Logf("%d resources, %d undone by streamctl", len(resources), undone.Load())
	if undone.Load() == 0 {
		t.Error("no create left a database")
	}
}

// failsAt fails the create of a template at one resource, and creates the stack again. It
// reports whether the first deploy had to delete what the rollback left.
func failsAt(t *testing.T, body []byte, resources map[string]stacktemplate.Resource, id string) (undone bool) {
	op, fake, lines := operator(t, awsfake.Options{Answer: func(context.Context, string, map[string]any) (map[string]any, error) { return nil, nil }})
	op.Poll = 20 * time.Millisecond // reading the events of a hundred resources takes that long
	r := change{Spec: stack.Spec{Stack: "events", Template: body, Parameters: map[string]string{"DatabasePassword": password}, Tags: map[string]string{"Project": "events"}, Protected: true}}
	for _, name := range []string{"archiver", "ingest", "maintenance", "processor", "query", "schema"} {
		putObject(t, fake, artifactBucket, "functions/"+name+"/00000000000000000000000000000000.zip")
	}
	fake.FailResource(id, id+" rejected")
	_, err := run(t.Context(), op, r)
	var failed *stack.FailedError
	if !errors.As(err, &failed) || len(failed.Causes) == 0 || failed.Causes[0].LogicalID != id {
		t.Fatalf("got %v", err)
	}
	if outcome, err := run(t.Context(), op, r); err != nil || !outcome.Created {
		t.Fatalf("the next deploy: %v\n%s", err, lines)
	}
	seen := map[string]int{}
	for _, e := range fake.Existing() {
		seen[e.LogicalID]++
	}
	for logicalID, n := range seen {
		if _, own := resources[logicalID]; !own || n > 1 {
			t.Errorf("%d of %q exist: %v", n, logicalID, remaining(fake, ""))
		}
	}
	if len(seen) != len(resources)-1 { // the custom resource is not one of AWS
		t.Errorf("%d of %d resources exist", len(seen), len(resources))
	}
	if len(fake.Snapshots())+len(fake.AutomatedBackups()) > 0 || len(fake.PendingKeys()) > 1 {
		t.Errorf("snapshots %v, keys %v", fake.Snapshots(), fake.PendingKeys())
	}
	return failed.Undone
}

// putObject stores an object, in a bucket that it makes if necessary.
func putObject(t *testing.T, fake *awsfake.Fake, bucket, key string) {
	t.Helper()
	_ = fake.Objects().CreateBucket(bucket) // it may exist
	if err := fake.Objects().Put(bucket, key, []byte(key)); err != nil {
		t.Fatal(err)
	}
}

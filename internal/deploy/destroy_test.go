package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"github.com/streamctl/streamctl/internal/deploy/bucket"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// fill adds versions, delete markers and an unfinished upload to a bucket.
func fill(t *testing.T, op *deploy.Operator, fake *awsfake.Fake, name string, versions, markers int) {
	t.Helper()
	for i := range versions {
		if err := fake.Objects().Put(name, fmt.Sprintf("raw/v1/dt=2026-11-23/hr=%02d/%d.gz", i%24, i/2), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range markers {
		if _, err := op.S3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &name, Key: aws.String(fmt.Sprintf("gone/%d", i))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := op.S3.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &name, Key: aws.String("unfinished")}); err != nil {
		t.Fatal(err)
	}
}

func TestEmpty(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	const name = "archive"
	if err := errors.Join(fake.Objects().CreateBucket(name), fake.Objects().SetVersioning(name, "Enabled")); err != nil {
		t.Fatal(err)
	}
	fill(t, op, fake, name, 2500, 500)
	emptier := bucket.Emptier{API: op.S3}
	emptied, err := emptier.Empty(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if emptied != (bucket.Emptied{Versions: 2500, Markers: 500, Uploads: 1}) {
		t.Errorf("got %+v", emptied)
	}
	if objects, markers := fake.Objects().Versions(name); objects+markers+fake.Objects().Uploads(name) != 0 {
		t.Errorf("%d versions, %d markers left", objects, markers)
	}
	largest := 0
	for _, c := range fake.Calls() {
		if c.Operation == "DeleteObjects" {
			largest++
		}
	}
	if largest != 3 {
		t.Errorf("%d calls for 3,000 objects, want 3 of 1,000", largest)
	}
	if again, err := emptier.Empty(t.Context(), name); err != nil || again != (bucket.Emptied{}) {
		t.Errorf("an empty bucket: %+v, %v", again, err)
	}
	if gone, err := emptier.Empty(t.Context(), "no-such-bucket"); err != nil || gone != (bucket.Emptied{}) {
		t.Errorf("a bucket that is gone: %+v, %v", gone, err)
	}
}

func plan(t *testing.T, op *deploy.Operator, options ...func(*deploy.DestroyOptions)) deploy.Plan {
	t.Helper()
	var o deploy.DestroyOptions
	for _, option := range options {
		option(&o)
	}
	p, err := op.PlanDestroy(t.Context(), "events", o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDestroy(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	created := apply(t, op, request(t, "one", false))
	fill(t, op, fake, created.Stack.Outputs["BucketName"], 30, 5)
	left, err := op.Destroy(t.Context(), plan(t, op))
	if err != nil {
		t.Fatalf("%v\n%s", err, lines)
	}
	types := ""
	for _, l := range left {
		types += l.Type + " "
		if !l.Costs || l.PhysicalID == "" || l.Why == "" {
			t.Errorf("leftover: %+v", l)
		}
	}
	if types != "AWS::KMS::Key AWS::RDS::DBSnapshot " {
		t.Errorf("left: %s", types)
	}
	if _, err := op.PlanDestroy(t.Context(), "events", deploy.DestroyOptions{}); !errors.Is(err, stack.ErrNotFound) || !strings.Contains(err.Error(), "123456789012") {
		t.Errorf("after: %v", err)
	}
	if again := apply(t, op, request(t, "one", false)); !again.Created {
		t.Errorf("second run: %+v", again)
	}
}

// TestDestroyProtected changes nothing without --lift-protection.
func TestDestroyProtected(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	created := apply(t, op, request(t, "one", true))
	fill(t, op, fake, created.Stack.Outputs["BucketName"], 10, 0)
	p := plan(t, op)
	_, err := op.Destroy(t.Context(), p)
	var protected *deploy.ProtectedError
	if !errors.As(err, &protected) || len(protected.By) != 2 {
		t.Fatalf("got %v", err)
	}
	if objects, _ := fake.Objects().Versions(p.Buckets[0]); objects != 10 {
		t.Errorf("%d objects left of 10", objects)
	}
	if _, err := op.Destroy(t.Context(), plan(t, op, lift)); err != nil {
		t.Fatal(err)
	}
}

// TestDestroyGoesOn fails a delete half way; the same command run again finishes it.
func TestDestroyGoesOn(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	fake.FailDelete("Topic", "topic is in use")
	_, err := op.Destroy(t.Context(), plan(t, op))
	var failed *stack.FailedError
	if !errors.As(err, &failed) || failed.Status != "DELETE_FAILED" || !strings.Contains(err.Error(), "topic is in use") {
		t.Fatalf("got %v", err)
	}
	if _, err := run(t.Context(), op, later(request(t, "two", false))); err == nil || !strings.Contains(err.Error(), "DELETE_FAILED") {
		t.Errorf("deploy in between: %v", err)
	}
	if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestRetainArchive keeps the bucket's content and its key; a second run has nothing to
// do.
func TestRetainArchive(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	created := apply(t, op, request(t, "one", false))
	name := created.Stack.Outputs["BucketName"]
	fill(t, op, fake, name, 20, 3)
	p := plan(t, op, retainArchive, lift)
	want := bucket.Contents{Bucket: name, Objects: 20, Versions: 20, Markers: 3, Uploads: 1, Bytes: 20}
	if len(p.Contents) != 1 || p.Contents[0] != want {
		t.Errorf("the plan has %+v, want %+v", p.Contents, want)
	}
	left, err := op.Destroy(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, l := range left {
		kinds = append(kinds, l.LogicalID)
	}
	slices.Sort(kinds)
	if got := strings.Join(kinds, " "); got != "Bucket Database Key" {
		t.Errorf("left: %s", got)
	}
	if objects, _ := fake.Objects().Versions(name); objects != 20 {
		t.Errorf("%d versions are left of 20", objects)
	}
	if _, err := op.Describe(t.Context(), "events"); !errors.Is(err, stack.ErrNotFound) {
		t.Errorf("the stack: %v", err)
	}
}

// TestFinalSnapshot takes one for a stack whose policies take none and keep no key,
// also after an interrupted run: one snapshot remains, under a key that stays.
func TestFinalSnapshot(t *testing.T) {
	for _, at := range []string{"", "Taking snapshot", "Copying snapshot"} {
		op, fake, _ := operator(t, awsfake.Options{})
		apply(t, op, live(t, "one", "Delete", "Delete"))
		own := *op
		ctx, cancel := context.WithCancel(t.Context())
		own.Report = func(e stack.Event) {
			if at != "" && strings.HasPrefix(e.Text, at) {
				cancel()
			}
		}
		for range 2 {
			left, err := own.Destroy(ctx, plan(t, op, noDrain, finalSnapshot))
			if ctx.Err() != nil {
				ctx, at = t.Context(), ""
				continue
			}
			if err != nil || len(left) != 1 || left[0].Type != "AWS::RDS::DBSnapshot" || !left[0].Costs {
				t.Errorf("%q: left %+v, %v", at, left, err)
			}
			break
		}
		cancel()
		if all := fake.Snapshots(); len(all) != 1 || all[0].KMSKeyID != "alias/aws/rds" || strings.HasSuffix(all[0].ID, "-source") {
			t.Errorf("%q: snapshots %+v", at, all)
		}
	}
}

// Options of a destroy.
var (
	retain        = true
	retainArchive = func(o *deploy.DestroyOptions) { o.RetainArchive = &retain }
	finalSnapshot = func(o *deploy.DestroyOptions) { o.FinalSnapshot = true }
	noDrain       = func(o *deploy.DestroyOptions) { o.NoDrain = true }
	lift          = func(o *deploy.DestroyOptions) { o.LiftProtection = true }
)

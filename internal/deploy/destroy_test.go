package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// fill puts versions and delete markers into a bucket, and an unfinished upload.
func fill(t *testing.T, op *deploy.Operator, fake *awsfake.Fake, bucket string, versions, markers int) {
	t.Helper()
	for i := range versions {
		if err := fake.Objects().Put(bucket, fmt.Sprintf("raw/v1/dt=2026-11-23/hr=%02d/%d.gz", i%24, i/2), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range markers {
		if _, err := op.Buckets.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(fmt.Sprintf("gone/%d", i))}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := op.Buckets.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("unfinished")}); err != nil {
		t.Fatal(err)
	}
}

func TestEmpty(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	const bucket = "archive"
	if err := errors.Join(fake.Objects().CreateBucket(bucket), fake.Objects().SetVersioning(bucket, "Enabled")); err != nil {
		t.Fatal(err)
	}
	fill(t, op, fake, bucket, 2500, 500)
	emptier := deploy.Emptier{API: op.Buckets}
	emptied, err := emptier.Empty(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	if emptied != (deploy.Emptied{Versions: 2500, Markers: 500, Uploads: 1}) {
		t.Errorf("got %+v", emptied)
	}
	if objects, markers := fake.Objects().Versions(bucket); objects+markers+fake.Objects().Uploads(bucket) != 0 {
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
	if again, err := emptier.Empty(t.Context(), bucket); err != nil || again != (deploy.Emptied{}) {
		t.Errorf("an empty bucket: %+v, %v", again, err)
	}
	if gone, err := emptier.Empty(t.Context(), "no-such-bucket"); err != nil || gone != (deploy.Emptied{}) {
		t.Errorf("a bucket that is gone: %+v, %v", gone, err)
	}
}

func plan(t *testing.T, op *deploy.Operator) deploy.Plan {
	t.Helper()
	p, err := op.PlanDestroy(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDestroy(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	created := apply(t, op, request(t, "one", false))
	fill(t, op, fake, created.Stack.Outputs["BucketName"], 30, 5)
	left, err := op.Destroy(t.Context(), plan(t, op), false)
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
	if _, err := op.PlanDestroy(t.Context(), "events"); !deploy.IsNotFound(err) || !strings.Contains(err.Error(), "123456789012") {
		t.Errorf("after: %v", err)
	}
	if again := apply(t, op, request(t, "one", false)); !again.Created {
		t.Errorf("again at once: %+v", again)
	}
}

// TestDestroyProtected changes nothing until it is told to lift protections.
func TestDestroyProtected(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	created := apply(t, op, request(t, "one", true))
	fill(t, op, fake, created.Stack.Outputs["BucketName"], 10, 0)
	p := plan(t, op)
	_, err := op.Destroy(t.Context(), p, false)
	var protected *deploy.ProtectedError
	if !errors.As(err, &protected) || len(protected.By) != 2 {
		t.Fatalf("got %v", err)
	}
	if objects, _ := fake.Objects().Versions(p.Buckets[0]); objects != 10 {
		t.Errorf("%d objects left of 10", objects)
	}
	if _, err := op.Destroy(t.Context(), p, true); err != nil {
		t.Fatal(err)
	}
}

// TestDestroyGoesOn fails a delete half way; the same command again finishes it.
func TestDestroyGoesOn(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	apply(t, op, request(t, "one", false))
	fake.FailDelete("Topic", "topic is in use")
	_, err := op.Destroy(t.Context(), plan(t, op), false)
	var failed *deploy.FailedError
	if !errors.As(err, &failed) || failed.Status != "DELETE_FAILED" || !strings.Contains(err.Error(), "topic is in use") {
		t.Fatalf("got %v", err)
	}
	if _, err := op.Apply(t.Context(), later(request(t, "two", false))); err == nil || !strings.Contains(err.Error(), "DELETE_FAILED") {
		t.Errorf("deploy in between: %v", err)
	}
	if _, err := op.Destroy(t.Context(), plan(t, op), false); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestRetainArchive keeps what is in the bucket, and the key that it is read
// with; run again it has nothing to do.
func TestRetainArchive(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	created := apply(t, op, request(t, "one", false))
	bucket := created.Stack.Outputs["BucketName"]
	fill(t, op, fake, bucket, 20, 3)
	p, err := op.PlanDestroy(t.Context(), "events")
	if err != nil {
		t.Fatal(err)
	}
	want := deploy.Contents{Bucket: bucket, Objects: 20, Versions: 20, Markers: 3, Uploads: 1, Bytes: 20}
	if len(p.Contents) != 1 || p.Contents[0] != want {
		t.Errorf("the plan has %+v, want %+v", p.Contents, want)
	}
	p.RetainArchive()
	left, err := op.Destroy(t.Context(), p, true)
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
	if objects, _ := fake.Objects().Versions(bucket); objects != 20 {
		t.Errorf("%d versions are left of 20", objects)
	}
	if _, err := op.Describe(t.Context(), "events"); !deploy.IsNotFound(err) {
		t.Errorf("the stack: %v", err)
	}
}

// TestFinalSnapshot takes one in a stack whose policies take none and keep no
// key, after a run that was interrupted as well: one snapshot is left, under a key
// that stays.
func TestFinalSnapshot(t *testing.T) {
	for _, at := range []string{"", "taking snapshot", "copying it"} {
		op, fake, _ := operator(t, awsfake.Options{})
		apply(t, op, live(t, "one", "Delete", "Delete"))
		own := *op
		ctx, cancel := context.WithCancel(t.Context())
		own.Report = func(e deploy.Event) {
			if at != "" && strings.HasPrefix(e.Text, at) {
				cancel()
			}
		}
		for range 2 {
			p := plan(t, op)
			p.NoDrain()
			p.FinalSnapshot()
			left, err := own.Destroy(ctx, p, false)
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

package deploy_test

import (
	"context"
	"github.com/streamctl/streamctl/internal/deploy"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/artifact"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

func TestArtifactBucket(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	const name = "streamctl-artifacts-123456789012-us-east-1"
	for range 2 { // the second run finds the bucket
		if err := ensure(t.Context(), op, name); err != nil {
			t.Fatal(err)
		}
	}
	var made int
	for _, c := range fake.Calls() {
		if c.Operation == "CreateBucket" || c.Operation == "PutBucketPolicy" {
			made++
		}
	}
	if made != 2 {
		t.Errorf("%d calls that make it, want 2", made)
	}
	block, err := op.S3.GetPublicAccessBlock(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: &[]string{name}[0]})
	if err != nil || !*block.PublicAccessBlockConfiguration.BlockPublicPolicy {
		t.Errorf("public access: %v", err)
	}
	artifacts := []artifact.Artifact{artifact.New("ingest", []byte("a")), artifact.New("query", []byte("b"))}
	sent, err := op.Upload(t.Context(), name, artifacts)
	if story := lines.String(); !strings.Contains(story, "to be uploaded: 1 of 2 functions") {
		t.Errorf("story: %s", story)
	}
	if err != nil || len(sent) != 2 {
		t.Errorf("first upload: %v, %v", sent, err)
	}
	artifacts[1] = artifact.New("query", []byte("changed"))
	if sent, err := op.Upload(t.Context(), name, artifacts); err != nil || len(sent) != 1 || sent[0] != "query" {
		t.Errorf("second upload: %v, %v", sent, err)
	}
}

// TestInterruptedBucket finds a bucket without the settings of a complete run.
func TestInterruptedBucket(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	if err := fake.Objects().CreateBucket("half"); err != nil {
		t.Fatal(err)
	}
	if err := ensure(t.Context(), op, "half"); err != nil {
		t.Fatal(err)
	}
	if _, err := op.S3.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &[]string{"half"}[0]}); err != nil {
		t.Errorf("the settings weren't made good: %v", err)
	}
}

func TestForeignBucket(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	fake.FailCall("s3", "HeadBucket", http.StatusForbidden, "AccessDenied", "Access Denied", 1)
	err := ensure(t.Context(), op, "theirs")
	if err == nil || !strings.Contains(err.Error(), "another account") || !strings.Contains(err.Error(), "ArtifactBucket") {
		t.Errorf("got %v", err)
	}
}

func TestThrottlingIsMet(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	fake.Throttle("cloudformation", "DescribeStackEvents", 2)
	if outcome := apply(t, op, request(t, "one", false)); !outcome.Created {
		t.Errorf("got %+v", outcome)
	}
}

// ensure creates an artifact bucket.
func ensure(ctx context.Context, op *deploy.Operator, bucket string) error {
	_, err := op.Upload(ctx, bucket, nil)
	return err
}

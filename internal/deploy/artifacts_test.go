package deploy_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/s3fake"
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
	fake.FailCall("s3", "PutBucketPolicy", http.StatusForbidden, "AccessDenied", "no", 1)
	if err := ensure(t.Context(), op, "half"); err == nil {
		t.Fatal("the first run was not interrupted")
	}
	fake.ResetCalls()
	if err := ensure(t.Context(), op, "half"); err != nil {
		t.Fatal(err)
	}
	if v, ok := fake.Objects().Versioning("half"); v != "Enabled" {
		t.Errorf("versioning %q, %t", v, ok)
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

const earlier = "streamctl-artifacts-123456789012-us-east-1"

// configure sends a bucket's settings as another program does.
func configure(t *testing.T, op *deploy.Operator, bucket, policy string, tags ...s3types.Tag) {
	t.Helper()
	ctx := t.Context()
	_, err := op.S3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy})
	if err == nil {
		_, err = op.S3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &bucket, ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
			Rules: []s3types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAwsKms, KMSMasterKeyID: aws.String("theirs")}}},
		}})
	}
	if err == nil {
		_, err = op.S3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: &bucket, Tagging: &s3types.Tagging{TagSet: tags}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

const theirPolicy = `{"Id":"theirs","Version":"2012-10-17","Statement":{"Sid":"TlsOnly","Effect":"Deny","Principal":"*","Action":"s3:DeleteBucket","Resource":"arn:aws:s3:::x"}}`

// TestNamedBucketStays deploys into a bucket that another team created: its policy,
// encryption, versioning and tags stay as they are, byte for byte.
func TestNamedBucketStays(t *testing.T) {
	op, fake, lines := operator(t, awsfake.Options{})
	if err := fake.Objects().CreateBucket("theirs"); err != nil {
		t.Fatal(err)
	}
	configure(t, op, "theirs", theirPolicy, s3types.Tag{Key: aws.String("Team"), Value: aws.String("data")})
	before := s3fake.Settings(fake.Objects(), "theirs")
	if sent, err := op.Upload(t.Context(), "theirs", []artifact.Artifact{artifact.New("ingest", []byte("a"))}); err != nil || len(sent) != 1 {
		t.Fatalf("%v, %v", sent, err)
	}
	if after := s3fake.Settings(fake.Objects(), "theirs"); !maps.Equal(before, after) {
		t.Errorf("the settings were\n%v\nand are\n%v", before, after)
	}
	if story := lines.String(); !strings.Contains(story, "was not created by streamctl and stays as it is; it lacks a block of public access, a policy that denies requests without TLS, versioning") {
		t.Errorf("story: %s", story)
	}
}

// TestEarlierBucket deploys into the bucket of an earlier version: it has the default
// name and no tag, and gets the tag beside its other tags. Its policy is merged.
func TestEarlierBucket(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	if err := fake.Objects().CreateBucket(earlier); err != nil {
		t.Fatal(err)
	}
	configure(t, op, earlier, theirPolicy, s3types.Tag{Key: aws.String("Team"), Value: aws.String("data")})
	encryption := s3fake.Settings(fake.Objects(), earlier)["encryption"]
	for range 2 { // the second run changes nothing
		if err := ensure(t.Context(), op, earlier); err != nil {
			t.Fatal(err)
		}
	}
	tags, err := op.S3.GetBucketTagging(t.Context(), &s3.GetBucketTaggingInput{Bucket: aws.String(earlier)})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range tags.TagSet {
		got[*tag.Key] = *tag.Value
	}
	if want := map[string]string{"Team": "data", "streamctl": "artifacts"}; !maps.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	settings := s3fake.Settings(fake.Objects(), earlier)
	if settings["encryption"] != encryption || settings["versioning"] != "Enabled" {
		t.Errorf("settings %v", settings)
	}
	if p := settings["policy"]; !strings.Contains(p, `"Action":"s3:DeleteBucket"`) || !strings.Contains(p, `"Id":"theirs"`) || strings.Count(p, "aws:SecureTransport") != 1 || strings.Count(p, "TlsOnly") != 1 {
		t.Errorf("policy %s", p)
	}
	puts := 0
	for _, c := range fake.Calls() {
		if c.Operation == "PutBucketTagging" || c.Operation == "PutBucketPolicy" || c.Operation == "PutBucketVersioning" {
			puts++
		}
	}
	if puts != 5 { // two are the test's
		t.Errorf("%d calls change the bucket, want 5", puts)
	}
}

// TestBucketInAnotherRegion reports the region of the bucket before anything is uploaded.
func TestBucketInAnotherRegion(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	if err := errors.Join(fake.Objects().CreateBucket("far"), s3fake.SetRegion(fake.Objects(), "far", "eu-west-1")); err != nil {
		t.Fatal(err)
	}
	err := ensure(t.Context(), op, "far")
	if err == nil || !strings.Contains(err.Error(), "it is in eu-west-1, and Lambda reads code only from buckets in us-east-1; set ArtifactBucket") {
		t.Errorf("got %v", err)
	}
}

// TestCodeIsVerified rejects an object with the key and the size of an artifact, but other
// bytes, with and without a checksum in S3.
func TestCodeIsVerified(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	a := []artifact.Artifact{artifact.New("ingest", []byte("good"))}
	if err := ensure(t.Context(), op, "code"); err != nil {
		t.Fatal(err)
	}
	if err := fake.Objects().Put("code", a[0].Key(), []byte("good")); err != nil { // by a program without checksums
		t.Fatal(err)
	}
	if sent, err := op.Upload(t.Context(), "code", a); err != nil || len(sent) != 0 {
		t.Errorf("the same code: %v, %v", sent, err)
	}
	key := a[0].Key()
	for _, checksum := range []s3types.ChecksumAlgorithm{s3types.ChecksumAlgorithmSha256, s3types.ChecksumAlgorithmCrc32} {
		if _, err := op.S3.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("code"), Key: &key, Body: strings.NewReader("evil"), ChecksumAlgorithm: checksum}); err != nil {
			t.Fatal(err)
		}
		if _, err := op.Upload(t.Context(), "code", a); err == nil || !strings.Contains(err.Error(), "so another program wrote it") {
			t.Errorf("%s: %v", checksum, err)
		}
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

package fake_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

func TestS3(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := s3.NewFromConfig(config(f), func(o *s3.Options) { o.UsePathStyle = true })
	ctx := t.Context()
	bucket := aws.String("a-bucket")
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	_, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket, ExpectedBucketOwner: aws.String("210987654321")})
	wantError(t, err, "Forbidden", "")
	_, err = c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: bucket, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true)}})
	if err != nil {
		t.Fatal(err)
	}
	block, err := c.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: bucket})
	if err != nil || !aws.ToBool(block.PublicAccessBlockConfiguration.BlockPublicAcls) {
		t.Errorf("public access block is %v, %v", block, err)
	}
	_, err = c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: bucket})
	wantError(t, err, "NoSuchBucketPolicy", "")

	put := func(key, body string, none *string) error {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(key), Body: strings.NewReader(body), IfNoneMatch: none, ContentType: aws.String("text/plain")})
		return err
	}
	if err := put("a/é b", "first", aws.String("*")); err != nil {
		t.Fatal(err)
	}
	wantError(t, put("a/é b", "second", aws.String("*")), "PreconditionFailed", "")
	if err := put("a/é b", "second", nil); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("a/é b")})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(got.Body); err != nil || string(text) != "second" || aws.ToString(got.ContentType) != "text/plain" {
		t.Errorf("object is %q, %v", text, err)
	}
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("a/é b")}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("a/é b")})
	wantError(t, err, "NoSuchKey", "")
	if err := put("a/é b", "third", aws.String("*")); err != nil {
		t.Errorf("a key with a delete marker counts as missing: %v", err)
	}
	_, err = c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	wantError(t, err, "BucketNotEmpty", "You must delete all versions in the bucket.")
	if objects, markers := f.Objects().Versions("a-bucket"); objects != 3 || markers != 1 {
		t.Errorf("%d versions and %d markers", objects, markers)
	}
	last := f.Calls()[len(f.Calls())-1]
	if last.Service != "s3" || last.Action != "DeleteBucket" || last.Resource != "arn:aws:s3:::a-bucket" || last.Principal != awsfake.PrincipalUser || last.Code != "BucketNotEmpty" {
		t.Errorf("last call is %+v", last)
	}
}

// TestEmpty empties a bucket page by page, with both ways of paging.
func TestEmpty(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := s3.NewFromConfig(config(f), func(o *s3.Options) { o.UsePathStyle = true })
	ctx := t.Context()
	bucket := aws.String("full")
	store := f.Objects()
	if err := store.CreateBucket("full"); err != nil {
		t.Fatal(err)
	}
	if err := store.SetVersioning("full", "Enabled"); err != nil {
		t.Fatal(err)
	}
	for i := range 2500 {
		if err := store.Put("full", fmt.Sprintf("raw/%d", i%1250), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	pages := s3.NewListObjectVersionsPaginator(c, &s3.ListObjectVersionsInput{Bucket: bucket})
	var ids []types.ObjectIdentifier
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Versions {
			ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
	}
	if len(ids) != 2500 {
		t.Fatalf("listed %d versions", len(ids))
	}
	_, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: ids[:1001]}})
	wantError(t, err, "MalformedXML", "")
	for len(ids) > 0 {
		n := min(1000, len(ids))
		if _, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: ids[:n], Quiet: aws.Bool(true)}}); err != nil {
			t.Fatal(err)
		}
		ids = ids[n:]
	}
	if _, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
}

func TestMultipart(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c := s3.NewFromConfig(config(f), func(o *s3.Options) { o.UsePathStyle = true })
	ctx := t.Context()
	if err := f.Objects().CreateBucket("parts"); err != nil {
		t.Fatal(err)
	}
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("parts"), Key: aws.String("big")})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	for i, body := range []string{strings.Repeat("a", 5<<20), "end"} {
		part, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, PartNumber: aws.Int32(int32(i + 1)), Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{ETag: part.ETag, PartNumber: aws.Int32(int32(i + 1))})
	}
	if n := f.Objects().Uploads("parts"); n != 1 {
		t.Errorf("%d uploads", n)
	}
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: up.Bucket, Key: up.Key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := f.Objects().Get("parts", "big"); err != nil || len(data) != 5<<20+3 {
		t.Errorf("object has %d bytes, %v", len(data), err)
	}
}

func TestCredentials(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	ctx := t.Context()
	cfg := config(f)
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || aws.ToString(who.Account) != "123456789012" {
		t.Errorf("caller is %v, %v", who, err)
	}
	cfg.Credentials = credentials.NewStaticCredentialsProvider("AKIANOBODY", "x", "")
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantError(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
	cfg.Credentials = credentials.NewStaticCredentialsProvider(f.Credentials.AccessKeyID, "wrong", "")
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	wantError(t, err, "SignatureDoesNotMatch", "The request signature we calculated does not match")
	f.Throttle("sts", "GetCallerIdentity", 1)
	if _, err := sts.NewFromConfig(config(f)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("one throttled call is retried: %v", err)
	}
}

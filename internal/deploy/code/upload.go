package code

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/streamctl/streamctl/internal/artifact"
)

// concurrentUploads is the number of objects that are uploaded at the same time.
const concurrentUploads = 4

// Ensure creates the artifact bucket if it does not exist: encrypted, versioned,
// private, TLS only. A bucket of another account is an error: its owner could change
// the functions' code.
func (s *Store) Ensure(ctx context.Context) error {
	bucket := s.Bucket
	_, err := s.API.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket, ExpectedBucketOwner: &s.Caller.Account})
	switch httpStatus(err) {
	case statusMissing:
		s.Step("Creating bucket %s for the functions' code", bucket)
		if err := s.create(ctx, bucket); err != nil {
			return err
		}
	case http.StatusForbidden:
		return fmt.Errorf("use artifact bucket %s: it belongs to another account, or these credentials may not use it; set ArtifactBucket to another name: %w", bucket, err)
	default:
		if err != nil {
			return fmt.Errorf("use artifact bucket %s: %w", bucket, err)
		}
	}
	// Versioning is set last: a bucket with versioning has all other settings.
	v, err := s.API.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &bucket, ExpectedBucketOwner: &s.Caller.Account})
	if err != nil {
		return fmt.Errorf("use artifact bucket %s: %w", bucket, err)
	}
	if v.Status == types.BucketVersioningStatusEnabled {
		return nil
	}
	return s.configure(ctx, bucket)
}

func (s *Store) create(ctx context.Context, bucket string) error {
	in := &s3.CreateBucketInput{Bucket: &bucket}
	if s.Caller.Region != "us-east-1" { // which is not a valid constraint
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(s.Caller.Region)}
	}
	err := s.WhenFree(ctx, "bucket "+bucket, func() error {
		_, err := s.API.CreateBucket(ctx, in)
		return err
	})
	var mine *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &mine) {
		return fmt.Errorf("create bucket %s: %w", bucket, err)
	}
	return nil
}

func (s *Store) configure(ctx context.Context, bucket string) error {
	owner := &s.Caller.Account
	yes := aws.Bool(true)
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"TlsOnly","Effect":"Deny","Principal":"*","Action":"s3:*",`+
		`"Resource":["arn:%[1]s:s3:::%[2]s","arn:%[1]s:s3:::%[2]s/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`, s.Caller.Partition(), bucket)
	steps := []struct {
		what string
		run  func() error
	}{
		{"block public access", func() error {
			_, err := s.API.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &bucket, ExpectedBucketOwner: owner,
				PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes}})
			return err
		}},
		{"encrypt", func() error {
			_, err := s.API.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &bucket, ExpectedBucketOwner: owner,
				ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
					ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}}}})
			return err
		}},
		{"require TLS", func() error {
			_, err := s.API.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, ExpectedBucketOwner: owner, Policy: &policy})
			return err
		}},
		{"keep versions", func() error {
			_, err := s.API.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &bucket, ExpectedBucketOwner: owner,
				VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
			return err
		}},
	}
	for _, step := range steps {
		if err := s.WhenFree(ctx, "bucket "+bucket, step.run); err != nil {
			return fmt.Errorf("%s in bucket %s: %w", step.what, bucket, err)
		}
	}
	return nil
}

// Upload uploads the artifacts that are not in the bucket, and returns the names
// of their functions. After an interruption, it uploads the missing ones.
func (s *Store) Upload(ctx context.Context, artifacts []artifact.Artifact) (sent []string, err error) {
	fresh := make([]bool, len(artifacts))
	var mu sync.Mutex
	done, size, total := 0, 0, 0
	for _, a := range artifacts {
		total += len(a.Zip)
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(concurrentUploads)
	for i, a := range artifacts {
		group.Go(func() (err error) {
			fresh[i], err = s.put(inner, a.Key(), "application/zip", a.Zip)
			mu.Lock()
			defer mu.Unlock()
			done, size = done+1, size+len(a.Zip)
			if fresh[i] && done < len(artifacts) {
				s.Waiting("the functions' code to be uploaded: %d of %d functions, %.1f of %.1f MB", done, len(artifacts), float64(size)/1e6, float64(total)/1e6)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, a := range artifacts {
		if fresh[i] {
			sent = append(sent, a.Function)
		}
	}
	return sent, nil
}

// put stores an object whose key contains the hash of its content, unless the
// bucket has it.
func (s *Store) put(ctx context.Context, key, contentType string, body []byte) (sent bool, err error) {
	bucket := s.Bucket
	owner := &s.Caller.Account
	head, err := s.API.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key, ExpectedBucketOwner: owner})
	if err == nil {
		if size := aws.ToInt64(head.ContentLength); size != int64(len(body)) {
			return false, fmt.Errorf("upload %s: the existing object has %d bytes instead of %d; delete it and run the same command again", key, size, len(body))
		}
		return false, nil
	}
	if httpStatus(err) != statusMissing {
		return false, fmt.Errorf("look for %s in bucket %s: %w", key, bucket, err)
	}
	sum := sha256.Sum256(body)
	_, err = s.API.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, ExpectedBucketOwner: owner, Body: bytes.NewReader(body), ContentType: &contentType,
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])), IfNoneMatch: aws.String("*"),
	})
	if httpStatus(err) == http.StatusPreconditionFailed { // another run has uploaded the same content
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("upload %s to bucket %s: %w", key, bucket, err)
	}
	return true, nil
}

// UploadTemplate uploads a template and returns its URL.
func (s *Store) UploadTemplate(ctx context.Context, body []byte) (url string, err error) {
	if err := s.Ensure(ctx); err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	key := templateFolder + hex.EncodeToString(sum[:]) + ".yaml"
	if _, err := s.put(ctx, key, "application/yaml", body); err != nil {
		return "", err
	}
	return fmt.Sprintf("https://%s.s3.%s.%s/%s", s.Bucket, s.Caller.Region, s.Caller.URLSuffix(), key), nil
}

// EnsureAndUpload creates the bucket if necessary, uploads the artifacts that it lacks,
// and reports their number.
func (s *Store) EnsureAndUpload(ctx context.Context, artifacts []artifact.Artifact) error {
	if err := s.Ensure(ctx); err != nil {
		return err
	}
	sent, err := s.Upload(ctx, artifacts)
	switch {
	case err != nil:
		return err
	case len(sent) == 0:
		s.Step("The functions' code is in bucket %s already", s.Bucket)
	case len(sent) == len(artifacts):
		s.Step("Uploaded %d functions to bucket %s", len(sent), s.Bucket)
	default:
		s.Step("Uploaded %d of %d functions to bucket %s", len(sent), len(artifacts), s.Bucket)
	}
	return nil
}

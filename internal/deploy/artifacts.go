package deploy

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
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"github.com/streamctl/streamctl/internal/artifact"
)

// uploads is how many objects are sent at a time.
const uploads = 4

// httpStatus is the status of an answer without a body, as HEAD's are.
func httpStatus(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// EnsureBucket makes the artifact bucket where there is none: encrypted,
// versioned, private, TLS only. One that belongs to another account is an
// error; a bucket that anybody could have made is where other people's code
// would come from.
func (o *Operator) EnsureBucket(ctx context.Context, bucket string) error {
	_, err := o.Buckets.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket, ExpectedBucketOwner: &o.Caller.Account})
	switch httpStatus(err) {
	case http.StatusNotFound:
		o.step(fmt.Sprintf("making bucket %s for the functions' code", bucket))
		if err := o.makeBucket(ctx, bucket); err != nil {
			return err
		}
	case http.StatusForbidden:
		return fmt.Errorf("use artifact bucket %s: it belongs to another account, or these credentials may not use it; set ArtifactBucket to another name: %w", bucket, err)
	default:
		if err != nil {
			return fmt.Errorf("use artifact bucket %s: %w", bucket, err)
		}
	}
	// Versioning is set last, so a bucket that has it has all the rest.
	v, err := o.Buckets.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &bucket, ExpectedBucketOwner: &o.Caller.Account})
	if err != nil {
		return fmt.Errorf("use artifact bucket %s: %w", bucket, err)
	}
	if v.Status == types.BucketVersioningStatusEnabled {
		return nil
	}
	return o.configureBucket(ctx, bucket)
}

func (o *Operator) makeBucket(ctx context.Context, bucket string) error {
	in := &s3.CreateBucketInput{Bucket: &bucket}
	if o.Caller.Region != "us-east-1" { // which has no name as a constraint
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(o.Caller.Region)}
	}
	_, err := o.Buckets.CreateBucket(ctx, in)
	var mine *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &mine) {
		return fmt.Errorf("make bucket %s: %w", bucket, err)
	}
	return nil
}

func (o *Operator) configureBucket(ctx context.Context, bucket string) error {
	owner := &o.Caller.Account
	yes := aws.Bool(true)
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"TlsOnly","Effect":"Deny","Principal":"*","Action":"s3:*",`+
		`"Resource":["arn:%[1]s:s3:::%[2]s","arn:%[1]s:s3:::%[2]s/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`, o.Caller.Partition(), bucket)
	steps := []struct {
		what string
		run  func() error
	}{
		{"block public access", func() error {
			_, err := o.Buckets.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &bucket, ExpectedBucketOwner: owner,
				PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes}})
			return err
		}},
		{"encrypt", func() error {
			_, err := o.Buckets.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &bucket, ExpectedBucketOwner: owner,
				ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
					ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256}}}}})
			return err
		}},
		{"require TLS", func() error {
			_, err := o.Buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, ExpectedBucketOwner: owner, Policy: &policy})
			return err
		}},
		{"keep versions", func() error {
			_, err := o.Buckets.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &bucket, ExpectedBucketOwner: owner,
				VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
			return err
		}},
	}
	for _, s := range steps {
		if err := s.run(); err != nil {
			return fmt.Errorf("%s in bucket %s: %w", s.what, bucket, err)
		}
	}
	return nil
}

// Upload puts artifacts into the bucket, several at a time, and gives the
// names of those that weren't there yet. After an interruption it goes on with
// those that are missing.
func (o *Operator) Upload(ctx context.Context, bucket string, artifacts []artifact.Artifact) (sent []string, err error) {
	fresh := make([]bool, len(artifacts))
	var mu sync.Mutex
	done, size, total := 0, 0, 0
	for _, a := range artifacts {
		total += len(a.Zip)
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(uploads)
	for i, a := range artifacts {
		group.Go(func() (err error) {
			fresh[i], err = o.put(inner, bucket, a.Key(), "application/zip", a.Zip)
			mu.Lock()
			defer mu.Unlock()
			done, size = done+1, size+len(a.Zip)
			if fresh[i] && done < len(artifacts) {
				o.Report(Event{Kind: KindWaiting, Text: fmt.Sprintf("the functions' code to be uploaded: %d of %d functions, %.1f of %.1f MB", done, len(artifacts), float64(size)/1e6, float64(total)/1e6)})
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

// put stores an object whose key names its content, unless it is there.
func (o *Operator) put(ctx context.Context, bucket, key, contentType string, body []byte) (sent bool, err error) {
	owner := &o.Caller.Account
	head, err := o.Buckets.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key, ExpectedBucketOwner: owner})
	if err == nil {
		if size := aws.ToInt64(head.ContentLength); size != int64(len(body)) {
			return false, fmt.Errorf("upload %s: the object there has %d bytes instead of %d; delete it and run the same command again", key, size, len(body))
		}
		return false, nil
	}
	if httpStatus(err) != http.StatusNotFound {
		return false, fmt.Errorf("look for %s in %s: %w", key, bucket, err)
	}
	sum := sha256.Sum256(body)
	_, err = o.Buckets.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, ExpectedBucketOwner: owner, Body: bytes.NewReader(body), ContentType: &contentType,
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])), IfNoneMatch: aws.String("*"),
	})
	if httpStatus(err) == http.StatusPreconditionFailed { // somebody else was faster with the same content
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("upload %s to %s: %w", key, bucket, err)
	}
	return true, nil
}

// templateArgument is the template as a call takes it: the body, or, past the
// limit, the URL of an object that holds it.
func (o *Operator) templateArgument(ctx context.Context, r Request) (body, url *string, err error) {
	if len(r.Template) <= maxBody {
		return aws.String(string(r.Template)), nil, nil
	}
	if err := o.EnsureBucket(ctx, r.TemplateBucket); err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(r.Template)
	key := templateFolder + hex.EncodeToString(sum[:]) + ".yaml"
	if _, err := o.put(ctx, r.TemplateBucket, key, "application/yaml", r.Template); err != nil {
		return nil, nil, err
	}
	return nil, aws.String(fmt.Sprintf("https://%s.s3.%s.%s/%s", r.TemplateBucket, o.Caller.Region, o.Caller.urlSuffix(), key)), nil
}

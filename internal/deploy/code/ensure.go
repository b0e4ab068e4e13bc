package code

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// The tag of the buckets that streamctl created: it may change their settings.
const (
	ownerKey   = "streamctl"
	ownerValue = "artifacts"
)

// Ensure creates the artifact bucket if it does not exist: tagged, versioned, private,
// TLS only, encrypted by S3's default. An existing bucket of streamctl gets the settings
// that it lacks; all others stay. A bucket that another team created stays as it is, and
// Ensure reports the missing settings.
func (s *Store) Ensure(ctx context.Context) error {
	exists, err := s.Check(ctx)
	if err != nil {
		return err
	}
	if !exists {
		s.Step("Creating bucket %s for the functions' code", s.Bucket)
		if err := s.create(ctx); err != nil {
			return err
		}
	}
	tags, err := s.tags(ctx)
	unreadable := stack.IsDenied(err)
	switch {
	case err != nil && !unreadable:
		return err
	case tags[ownerKey] == ownerValue:
	case s.isDefault(): // created by an earlier version
		if !unreadable {
			err = s.claim(ctx, tags)
		}
		if stack.IsDenied(err) {
			s.Step("Bucket %s has no tag that marks it as streamctl's: %v; `streamctl doctor --print-policy` prints the permissions", s.Bucket, err)
		} else if err != nil {
			return err
		}
	default:
		return s.reportMissing(ctx)
	}
	return s.complete(ctx)
}

// Check reports whether the bucket exists, without changing anything. A bucket of another
// account or region is an error: its owner could change the functions' code, and Lambda
// reads code only from its own region.
func (s *Store) Check(ctx context.Context) (exists bool, err error) {
	_, err = s.API.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.Bucket, ExpectedBucketOwner: &s.Caller.Account})
	switch httpStatus(err) {
	case statusMissing:
		return false, nil
	case http.StatusMovedPermanently:
		region := "another region"
		var response *smithyhttp.ResponseError
		if errors.As(err, &response) {
			if name := response.Response.Header.Get("X-Amz-Bucket-Region"); name != "" {
				region = name
			}
		}
		return false, fmt.Errorf("use artifact bucket %s: it is in %s, and Lambda reads code only from buckets in %s; set ArtifactBucket to a bucket there, or to the name of a new one: %w", s.Bucket, region, s.Caller.Region, err)
	case http.StatusForbidden:
		return false, fmt.Errorf("use artifact bucket %s: it belongs to another account, or these credentials may not use it; set ArtifactBucket to another name: %w", s.Bucket, err)
	}
	if err != nil {
		return false, fmt.Errorf("use artifact bucket %s: %w", s.Bucket, err)
	}
	return true, nil
}

// isDefault reports whether the bucket has the name that streamctl chooses for this
// account and region.
func (s *Store) isDefault() bool {
	return s.Bucket == "streamctl-artifacts-"+s.Caller.Account+"-"+s.Caller.Region
}

func (s *Store) create(ctx context.Context) error {
	in := &s3.CreateBucketInput{Bucket: &s.Bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{
		Tags: []types.Tag{{Key: aws.String(ownerKey), Value: aws.String(ownerValue)}},
	}}
	if s.Caller.Region != "us-east-1" { // which is not a valid constraint
		in.CreateBucketConfiguration.LocationConstraint = types.BucketLocationConstraint(s.Caller.Region)
	}
	err := s.whenFree(ctx, func() error {
		_, err := s.API.CreateBucket(ctx, in)
		return err
	})
	var mine *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &mine) {
		return fmt.Errorf("create bucket %s: %w", s.Bucket, err)
	}
	return nil
}

// whenFree repeats a call while another operation on the bucket is in progress.
func (s *Store) whenFree(ctx context.Context, call func() error) error {
	return s.WhenFree(ctx, "bucket "+s.Bucket, call)
}

// tags returns the bucket's tags.
func (s *Store) tags(ctx context.Context) (map[string]string, error) {
	out, err := s.API.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &s.Bucket, ExpectedBucketOwner: &s.Caller.Account})
	if err != nil && stack.Code(err) != "NoSuchTagSet" {
		return nil, fmt.Errorf("read the tags of artifact bucket %s: %w", s.Bucket, err)
	}
	tags := map[string]string{}
	if err == nil {
		for _, t := range out.TagSet {
			tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	}
	return tags, nil
}

// claim adds streamctl's tag. The call replaces all tags, so it sends the others too.
func (s *Store) claim(ctx context.Context, tags map[string]string) error {
	tags[ownerKey] = ownerValue
	var set []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		set = append(set, types.Tag{Key: aws.String(key), Value: aws.String(tags[key])})
	}
	err := s.whenFree(ctx, func() error {
		_, err := s.API.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: &s.Bucket, ExpectedBucketOwner: &s.Caller.Account, Tagging: &types.Tagging{TagSet: set}})
		return err
	})
	if err != nil {
		return fmt.Errorf("tag artifact bucket %s: %w", s.Bucket, err)
	}
	return nil
}

// complete adds the settings that a bucket of streamctl lacks. Versioning is set last: a
// bucket with versioning has all other settings.
func (s *Store) complete(ctx context.Context) error {
	found, err := s.read(ctx)
	if err != nil {
		return err
	}
	if found.versioning != "" {
		return nil
	}
	owner, yes := &s.Caller.Account, aws.Bool(true)
	if !found.private {
		err := s.whenFree(ctx, func() error {
			_, err := s.API.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &s.Bucket, ExpectedBucketOwner: owner,
				PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicAcls: yes, BlockPublicPolicy: yes, IgnorePublicAcls: yes, RestrictPublicBuckets: yes}})
			return err
		})
		if err != nil {
			return fmt.Errorf("block public access in bucket %s: %w", s.Bucket, err)
		}
	}
	if !found.policy.requiresTLS() {
		text, err := found.policy.with(s.Caller.Partition(), s.Bucket)
		if err != nil {
			return fmt.Errorf("require TLS in bucket %s: %w", s.Bucket, err)
		}
		err = s.whenFree(ctx, func() error {
			_, err := s.API.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &s.Bucket, ExpectedBucketOwner: owner, Policy: &text})
			return err
		})
		if err != nil {
			return fmt.Errorf("require TLS in bucket %s: %w", s.Bucket, err)
		}
	}
	err = s.whenFree(ctx, func() error {
		_, err := s.API.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &s.Bucket, ExpectedBucketOwner: owner,
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
		return err
	})
	if err != nil {
		return fmt.Errorf("keep versions in bucket %s: %w", s.Bucket, err)
	}
	return nil
}

// reportMissing reports the settings that a foreign bucket lacks. It changes
// nothing.
func (s *Store) reportMissing(ctx context.Context) error {
	found, err := s.read(ctx)
	if err != nil {
		return err
	}
	var missing []string
	if !found.private {
		missing = append(missing, "a block of public access")
	}
	if !found.policy.requiresTLS() {
		missing = append(missing, "a policy that denies requests without TLS")
	}
	if found.versioning != types.BucketVersioningStatusEnabled {
		missing = append(missing, "versioning")
	}
	if len(missing) > 0 {
		s.Step("Bucket %s was not created by streamctl and stays as it is; it lacks %s", s.Bucket, strings.Join(missing, ", "))
	}
	return nil
}

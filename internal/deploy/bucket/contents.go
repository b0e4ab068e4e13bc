package bucket

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/s3key"
)

// Contents counts the contents of a bucket.
type Contents struct {
	Bucket string `json:"bucket"`
	// Objects are the current versions, Versions all of them. Markers are delete
	// markers, Uploads unfinished multipart uploads.
	Objects  int   `json:"objects"`
	Versions int   `json:"versions"`
	Markers  int   `json:"markers"`
	Uploads  int   `json:"uploads"`
	Bytes    int64 `json:"bytes"`
	// Truncated reports that counting ended early: there is more.
	Truncated bool `json:"more,omitempty"`
}

// Empty reports that CloudFormation can delete the bucket.
func (c Contents) Empty() bool { return c.Versions+c.Markers+c.Uploads == 0 }

// countPages bounds the counting of a bucket, so that a plan takes seconds.
const countPages = 50

// Count counts the contents of a bucket of an account, at most 50,000 versions. A
// bucket that does not exist is empty.
func Count(ctx context.Context, api API, account, bucket string) (Contents, error) {
	c := Contents{Bucket: bucket}
	in := &s3.ListObjectVersionsInput{Bucket: &bucket, ExpectedBucketOwner: &account, EncodingType: types.EncodingTypeUrl}
	for n := 0; ; n++ {
		if c.Truncated = n == countPages; c.Truncated {
			break
		}
		page, err := api.ListObjectVersions(ctx, in)
		if stack.Code(err) == "NoSuchBucket" {
			return c, nil
		}
		if err != nil {
			return c, fmt.Errorf("count the contents of bucket %s: %w", bucket, err)
		}
		for _, v := range page.Versions {
			c.Versions, c.Bytes = c.Versions+1, c.Bytes+aws.ToInt64(v.Size)
			if aws.ToBool(v.IsLatest) {
				c.Objects++
			}
		}
		c.Markers += len(page.DeleteMarkers)
		if more, err := next(in, page); err != nil || !more {
			if err != nil {
				return c, fmt.Errorf("count the contents of bucket %s: %w", bucket, err)
			}
			break
		}
	}
	uploads, err := api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &bucket, ExpectedBucketOwner: &account, EncodingType: types.EncodingTypeUrl})
	if stack.Code(err) == "NoSuchBucket" { // a running delete has just deleted it
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("count the unfinished uploads in bucket %s: %w", bucket, err)
	}
	c.Uploads = len(uploads.Uploads)
	return c, nil
}

// next makes in ask for the page of a listing after this one; more is false after the last.
func next(in *s3.ListObjectVersionsInput, page *s3.ListObjectVersionsOutput) (more bool, err error) {
	if !aws.ToBool(page.IsTruncated) || page.NextKeyMarker == nil {
		return false, nil
	}
	key, err := s3key.Decode(string(page.EncodingType), *page.NextKeyMarker)
	if err != nil {
		return false, err
	}
	in.KeyMarker, in.VersionIdMarker = &key, page.NextVersionIdMarker
	return true, nil
}

package bucket

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/deploy/stack"
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

// countPages bounds the counting of a bucket, so that a plan takes seconds.
const countPages = 50

// Count counts the contents of a bucket of an account, at most 50,000 versions. A
// bucket that does not exist is empty.
func Count(ctx context.Context, api API, account, bucket string) (Contents, error) {
	c := Contents{Bucket: bucket}
	pages := s3.NewListObjectVersionsPaginator(api, &s3.ListObjectVersionsInput{Bucket: &bucket, ExpectedBucketOwner: &account})
	for n := 0; pages.HasMorePages(); n++ {
		if c.Truncated = n == countPages; c.Truncated {
			break
		}
		page, err := pages.NextPage(ctx)
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
	}
	uploads, err := api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &bucket, ExpectedBucketOwner: &account})
	if stack.Code(err) == "NoSuchBucket" { // a running delete has just deleted it
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("count the unfinished uploads in bucket %s: %w", bucket, err)
	}
	c.Uploads = len(uploads.Uploads)
	return c, nil
}

package deploy

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Contents is what is in a bucket.
type Contents struct {
	Bucket string `json:"bucket"`
	// Objects are current ones; Versions are all, those included; Markers say
	// that something was deleted.
	Objects  int   `json:"objects"`
	Versions int   `json:"versions"`
	Markers  int   `json:"markers"`
	Uploads  int   `json:"uploads"`
	Bytes    int64 `json:"bytes"`
	// More says that there is more: counting ended early.
	More bool `json:"more,omitempty"`
}

// countPages bounds the counting of a bucket: a plan is to come in seconds.
const countPages = 50

// contents counts what is in a bucket, without the last of a very full one. A
// bucket that is gone is empty.
func (o *Operator) contents(ctx context.Context, bucket string) (Contents, error) {
	c := Contents{Bucket: bucket}
	pages := s3.NewListObjectVersionsPaginator(o.Buckets, &s3.ListObjectVersionsInput{Bucket: &bucket, ExpectedBucketOwner: &o.Caller.Account})
	for n := 0; pages.HasMorePages(); n++ {
		if c.More = n == countPages; c.More {
			break
		}
		page, err := pages.NextPage(ctx)
		if code(err) == "NoSuchBucket" {
			return c, nil
		}
		if err != nil {
			return c, fmt.Errorf("count what is in bucket %s: %w", bucket, err)
		}
		for _, v := range page.Versions {
			c.Versions, c.Bytes = c.Versions+1, c.Bytes+aws.ToInt64(v.Size)
			if aws.ToBool(v.IsLatest) {
				c.Objects++
			}
		}
		c.Markers += len(page.DeleteMarkers)
	}
	uploads, err := o.Buckets.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &bucket, ExpectedBucketOwner: &o.Caller.Account})
	if code(err) == "NoSuchBucket" { // a delete that runs has just got there
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("count the unfinished uploads in bucket %s: %w", bucket, err)
	}
	c.Uploads = len(uploads.Uploads)
	return c, nil
}

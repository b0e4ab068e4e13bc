package deploy

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// BucketAPI is what emptying a bucket takes; *s3.Client satisfies it.
type BucketAPI interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
	ListMultipartUploads(context.Context, *s3.ListMultipartUploadsInput, ...func(*s3.Options)) (*s3.ListMultipartUploadsOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
}

var _ BucketAPI = (*s3.Client)(nil)

// Emptied counts what Empty removed.
type Emptied struct{ Versions, Markers, Uploads int }

const (
	// deletes is how many keys S3 takes in one DeleteObjects call.
	deletes = 1000
	// atATime is how many such calls run at a time.
	atATime = 4
)

// Empty deletes every version, delete marker and unfinished upload in a
// bucket; a bucket that is gone is empty. It always lists from the start again:
// the markers of a page that has just been deleted lead past what is left. An
// object that S3 refuses to delete is an error once everything else is gone.
func Empty(ctx context.Context, api BucketAPI, bucket string) (Emptied, error) {
	var total Emptied
	err := abortUploads(ctx, api, bucket, &total)
	for err == nil {
		var batches []batch
		if batches, err = listBatches(ctx, api, bucket); err != nil || len(batches) == 0 {
			break
		}
		before := total
		var refused error
		refused, err = deleteBatches(ctx, api, bucket, batches, &total)
		if err == nil && total == before {
			err = fmt.Errorf("empty bucket %s: %w", bucket, refused)
		}
	}
	if code(err) == "NoSuchBucket" {
		return total, nil
	}
	return total, err
}

// batch is what one DeleteObjects call takes: versions first, then markers.
type batch struct {
	objects  []types.ObjectIdentifier
	versions int
}

// listBatches lists up to a few pages from the start.
func listBatches(ctx context.Context, api BucketAPI, bucket string) ([]batch, error) {
	var batches []batch
	in := &s3.ListObjectVersionsInput{Bucket: &bucket, MaxKeys: aws.Int32(deletes)}
	for range atATime {
		page, err := api.ListObjectVersions(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list versions in bucket %s: %w", bucket, err)
		}
		b := batch{versions: len(page.Versions)}
		for _, v := range page.Versions {
			b.objects = append(b.objects, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			b.objects = append(b.objects, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		if len(b.objects) > 0 {
			batches = append(batches, b)
		}
		if !aws.ToBool(page.IsTruncated) || page.NextKeyMarker == nil {
			break
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
	return batches, nil
}

// deleteBatches deletes batches in parallel and counts what is gone. Refused is
// the first object that S3 would not delete; the others are deleted all the
// same.
func deleteBatches(ctx context.Context, api BucketAPI, bucket string, batches []batch, total *Emptied) (refused, err error) {
	answers := make([][]types.Error, len(batches))
	group, ctx := errgroup.WithContext(ctx)
	for i, b := range batches {
		group.Go(func() error {
			out, err := api.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: b.objects, Quiet: aws.Bool(true)}})
			if err != nil {
				return fmt.Errorf("delete objects in bucket %s: %w", bucket, err)
			}
			answers[i] = out.Errors
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, b := range batches {
		for _, e := range answers[i] {
			if aws.ToString(e.Code) != "NoSuchVersion" && refused == nil {
				refused = fmt.Errorf("%s (version %s): %s: %s", aws.ToString(e.Key), aws.ToString(e.VersionId), aws.ToString(e.Code), aws.ToString(e.Message))
			}
		}
		total.count(b, answers[i])
	}
	return refused, nil
}

// count adds a batch without what was refused.
func (e *Emptied) count(b batch, refused []types.Error) {
	type object struct{ key, version string }
	kept := map[object]bool{}
	for _, r := range refused {
		if aws.ToString(r.Code) != "NoSuchVersion" {
			kept[object{aws.ToString(r.Key), aws.ToString(r.VersionId)}] = true
		}
	}
	for i, o := range b.objects {
		switch {
		case kept[object{aws.ToString(o.Key), aws.ToString(o.VersionId)}]:
		case i < b.versions:
			e.Versions++
		default:
			e.Markers++
		}
	}
}

// abortUploads ends unfinished uploads, which no listing of versions shows.
func abortUploads(ctx context.Context, api BucketAPI, bucket string, total *Emptied) error {
	for {
		page, err := api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &bucket})
		if err != nil {
			return fmt.Errorf("list unfinished uploads in bucket %s: %w", bucket, err)
		}
		if len(page.Uploads) == 0 {
			return nil
		}
		for _, u := range page.Uploads {
			if _, err := api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: u.Key, UploadId: u.UploadId}); err != nil {
				return fmt.Errorf("end unfinished upload of %s: %w", aws.ToString(u.Key), err)
			}
			total.Uploads++
		}
	}
}

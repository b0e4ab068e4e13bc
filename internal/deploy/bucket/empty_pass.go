package bucket

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// pass is one way through a bucket's listing.
type pass struct {
	listed int
	// toEnd reports that the listing's end was reached, and objects before it.
	toEnd bool

	mu sync.Mutex
	// refused is the first object that S3 did not delete, busy the first one that
	// it was too busy to delete.
	refused, busy failure
}

// failure is S3's error about an object, in a page of the listing.
type failure struct {
	page int
	err  error
}

// batch is the argument of one DeleteObjects call: versions first, then markers.
type batch struct {
	page     int
	objects  []types.ObjectIdentifier
	versions int
}

func newBatch(n int, page *s3.ListObjectVersionsOutput) batch {
	b := batch{page: n, versions: len(page.Versions), objects: make([]types.ObjectIdentifier, 0, len(page.Versions)+len(page.DeleteMarkers))}
	for _, v := range page.Versions {
		b.objects = append(b.objects, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	for _, m := range page.DeleteMarkers {
		b.objects = append(b.objects, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
	}
	return b
}

// pass lists from the start and deletes pages at the same time; the listing waits
// while enough calls are running.
func (r *emptying) pass(ctx context.Context) (*pass, error) {
	p := &pass{}
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	listing := r.list(running, p, func(b batch) {
		group.Go(func() error { return r.delete(running, p, b) })
	})
	if err := group.Wait(); err != nil { // why the listing ended, if it did
		return p, err
	}
	return p, listing
}

// list passes the pages of the listing to take, which may block.
func (r *emptying) list(ctx context.Context, p *pass, take func(batch)) error {
	in := &s3.ListObjectVersionsInput{Bucket: &r.bucket, MaxKeys: aws.Int32(maxDeleteKeys)}
	for n := 0; ; n++ {
		page, err := r.API.ListObjectVersions(ctx, in)
		if err != nil {
			return fmt.Errorf("list versions in bucket %s: %w", r.bucket, err)
		}
		b := newBatch(n, page)
		p.listed += len(b.objects)
		if len(b.objects) > 0 {
			p.toEnd = !aws.ToBool(page.IsTruncated)
			take(b)
		} else if n > 0 {
			r.lost = true
		}
		if !aws.ToBool(page.IsTruncated) || page.NextKeyMarker == nil || r.lost {
			return nil
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
}

// delete deletes a batch and counts the deleted objects. The next pass retries the
// rest.
func (r *emptying) delete(ctx context.Context, p *pass, b batch) error {
	out, err := r.API.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &r.bucket, Delete: &types.Delete{Objects: b.objects, Quiet: aws.Bool(true)}})
	if err != nil {
		return fmt.Errorf("delete objects in bucket %s: %w", r.bucket, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := map[object]bool{}
	for _, e := range out.Errors {
		first := &p.refused
		switch aws.ToString(e.Code) {
		case "NoSuchVersion": // deleted by another client
			continue
		case "SlowDown", "InternalError", "ServiceUnavailable":
			first = &p.busy
		}
		kept[object{aws.ToString(e.Key), aws.ToString(e.VersionId)}] = true
		if first.err == nil || b.page < first.page {
			*first = failure{b.page, fmt.Errorf("%s (version %s): %s: %s", aws.ToString(e.Key), aws.ToString(e.VersionId), aws.ToString(e.Code), aws.ToString(e.Message))}
		}
	}
	r.total.count(b, kept)
	if r.Progress != nil {
		r.Progress(r.total)
	}
	return nil
}

type object struct{ key, version string }

// count adds a batch without the objects that were not deleted.
func (e *Emptied) count(b batch, kept map[object]bool) {
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

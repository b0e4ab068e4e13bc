package bucket

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/s3key"
)

// pass is one way through a bucket's listing.
type pass struct {
	listed int
	// first is the first listed object.
	first object
	// toEnd reports that the listing's end was reached, and objects before it.
	toEnd bool

	mu sync.Mutex
	// vanished is the number of listed objects that another client deleted.
	vanished int
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

func newBatch(n int, page *s3.ListObjectVersionsOutput) (batch, error) {
	b := batch{page: n, versions: len(page.Versions), objects: make([]types.ObjectIdentifier, 0, len(page.Versions)+len(page.DeleteMarkers))}
	for _, v := range page.Versions {
		b.objects = append(b.objects, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	for _, m := range page.DeleteMarkers {
		b.objects = append(b.objects, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
	}
	for i, o := range b.objects {
		key, err := s3key.Decode(string(page.EncodingType), aws.ToString(o.Key))
		if err != nil {
			return b, err
		}
		b.objects[i].Key = &key
	}
	return b, nil
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
	in := &s3.ListObjectVersionsInput{Bucket: &r.bucket, MaxKeys: aws.Int32(maxDeleteKeys), EncodingType: types.EncodingTypeUrl}
	for n := 0; ; n++ {
		page, err := r.API.ListObjectVersions(ctx, in)
		if err != nil {
			return fmt.Errorf("list versions in bucket %s: %w", r.bucket, err)
		}
		b, err := newBatch(n, page)
		if err != nil {
			return fmt.Errorf("list versions in bucket %s: %w", r.bucket, err)
		}
		p.listed += len(b.objects)
		if len(b.objects) > 0 {
			if n == 0 {
				p.first = object{aws.ToString(b.objects[0].Key), aws.ToString(b.objects[0].VersionId)}
			}
			p.toEnd = !aws.ToBool(page.IsTruncated)
			take(b)
		} else if n > 0 {
			r.lost = true
		}
		before := object{aws.ToString(in.KeyMarker), aws.ToString(in.VersionIdMarker)}
		more, err := next(in, page)
		if err != nil {
			return fmt.Errorf("list versions in bucket %s: %w", r.bucket, err)
		}
		if !more || r.lost {
			return nil
		}
		if n > 0 && before == (object{aws.ToString(in.KeyMarker), aws.ToString(in.VersionIdMarker)}) {
			return fmt.Errorf("list versions in bucket %s: the listing does not advance after key %q", r.bucket, before.key)
		}
	}
}

// delete deletes a batch and counts the deleted objects: in quiet mode S3 lists only failures.
// The next pass retries them. Keys that XML can't carry are deleted one at a time: their names are in
// the URL.
func (r *emptying) delete(ctx context.Context, p *pass, b batch) error {
	var together []types.ObjectIdentifier
	var alone []types.ObjectIdentifier
	for _, o := range b.objects {
		if s3key.FitsXML(aws.ToString(o.Key)) {
			together = append(together, o)
		} else {
			alone = append(alone, o)
		}
	}
	out := &s3.DeleteObjectsOutput{}
	if len(together) > 0 {
		var err error
		if out, err = r.API.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &r.bucket, Delete: &types.Delete{Objects: together, Quiet: aws.Bool(true)}}); err != nil {
			return fmt.Errorf("delete objects in bucket %s: %w", r.bucket, err)
		}
	}
	for _, o := range alone {
		_, err := r.API.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &r.bucket, Key: o.Key, VersionId: o.VersionId})
		switch code := stack.Code(err); {
		case err == nil:
		case code == "" || code == "NoSuchBucket":
			return fmt.Errorf("delete object %q in bucket %s: %w", aws.ToString(o.Key), r.bucket, err)
		default:
			out.Errors = append(out.Errors, types.Error{Key: o.Key, VersionId: o.VersionId, Code: &code, Message: aws.String(err.Error())})
		}
	}
	r.settle(p, b, out)
	return nil
}

// settle counts the deleted objects of a batch and notes the first errors.
func (r *emptying) settle(p *pass, b batch, out *s3.DeleteObjectsOutput) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := map[object]bool{}
	for _, e := range out.Errors {
		kept[object{aws.ToString(e.Key), aws.ToString(e.VersionId)}] = true
		first := &p.refused
		switch aws.ToString(e.Code) {
		case "NoSuchVersion": // deleted by another client
			p.vanished++
			continue
		case "SlowDown", "InternalError", "ServiceUnavailable":
			first = &p.busy
		}
		if first.err == nil || b.page < first.page {
			*first = failure{b.page, fmt.Errorf("%s (version %s): %s: %s", aws.ToString(e.Key), aws.ToString(e.VersionId), aws.ToString(e.Code), aws.ToString(e.Message))}
		}
	}
	r.total.count(b, kept)
	if r.Progress != nil {
		r.Progress(r.total)
	}
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

// Package bucket counts and empties versioned S3 buckets.
package bucket

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/s3key"
)

// API is the calls that this package makes; *s3.Client satisfies it.
type API interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	DeleteObject(context.Context, *s3.DeleteObjectInput, ...func(*s3.Options)) (*s3.DeleteObjectOutput, error)
	DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
	ListMultipartUploads(context.Context, *s3.ListMultipartUploadsInput, ...func(*s3.Options)) (*s3.ListMultipartUploadsOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
}

var _ API = (*s3.Client)(nil)

// Emptied counts what an Emptier deleted.
type Emptied struct{ Versions, Markers, Uploads int }

// Emptier empties buckets.
type Emptier struct {
	API API
	// Progress gets the total after each call that deletes, from one goroutine at a
	// time. Nil gets nothing.
	Progress func(Emptied)
	// Now returns the time; nil is the machine's clock.
	Now func() time.Time
}

const (
	// maxDeleteKeys is S3's limit of keys per DeleteObjects call.
	maxDeleteKeys = 1000
	// concurrency is the number of such calls at the same time, and so of pages of
	// a listing in memory. S3 deletes 3,500 objects per second and prefix; these
	// reach that if each call takes a second.
	concurrency = 4
	// maxRefill is how long a bucket may still be written to after the end of its
	// listing was reached: S3 takes some minutes to apply a policy everywhere.
	maxRefill = 10 * time.Minute
	// busyTries is how many passes in a row may delete nothing because S3 is busy.
	// The pause before the next pass is busyPause after a pass that deleted
	// something, and doubles after each one that did not.
	busyTries = 8
	busyPause = 200 * time.Millisecond
)

// RefilledError is a bucket that does not become empty because of new writes.
type RefilledError struct {
	Bucket string
	// NewVersions is the number of versions and delete markers that were written
	// since the end of the listing was first reached, For the time since then.
	NewVersions int
	For         time.Duration
}

func (e *RefilledError) Error() string {
	return fmt.Sprintf("empty bucket %s: it is still being written to: %d new versions in the last %s", e.Bucket, e.NewVersions, e.For.Round(time.Second))
}

// Hint is the next step for a user.
func (e *RefilledError) Hint() string {
	return "find the writer and run the same command again; its policy does not stop replication from another bucket"
}

// Empty deletes every version, delete marker and unfinished upload in a bucket. A
// bucket that does not exist is empty. An object that S3 does not delete is an
// error after everything else is deleted.
//
// A pass deletes pages while it lists the next ones. It may end early: S3 continues
// a listing after a page that was just deleted, some other servers do not. So
// passes start over until the bucket is empty, with one page per pass once a
// server has lost its place.
func (e Emptier) Empty(ctx context.Context, bucket string) (Emptied, error) {
	if e.Now == nil {
		e.Now = time.Now
	}
	r := &emptying{Emptier: e, bucket: bucket}
	err := r.uploads(ctx)
	if err == nil {
		err = r.versions(ctx)
	}
	if stack.Code(err) == "NoSuchBucket" {
		err = nil
	}
	return r.total, err
}

// emptying is one run over a bucket.
type emptying struct {
	Emptier
	bucket string
	total  Emptied
	// lost reports that a page that should have had objects had none.
	lost bool
}

func (r *emptying) versions(ctx context.Context) error {
	var (
		atEnd   time.Time // of the first time that the listing's end was reached
		gone    Emptied   // until then
		nothing int       // number of passes in a row that deleted nothing
		last    object    // listed first in the previous pass
		again   int       // number of passes in a row that began with it
	)
	for {
		before := r.total
		p, err := r.pass(ctx)
		if err != nil || p.listed == 0 {
			return err
		}
		// A listing is consistent: a version that was deleted is not in the next one.
		if again++; p.first != last || p.refused.err != nil || p.busy.err != nil {
			last, again = p.first, 0
		}
		if again >= busyTries {
			return fmt.Errorf("empty bucket %s: S3 reports no error, but lists %q (version %s) again after %d deletions", r.bucket, last.key, last.version, again)
		}
		if nothing++; r.total != before || p.vanished > 0 {
			nothing = 0
		}
		switch {
		case p.busy.err != nil && nothing < busyTries:
			if err := pause.For(ctx, busyPause<<nothing); err != nil {
				return fmt.Errorf("empty bucket %s: %w", r.bucket, err)
			}
		case p.busy.err != nil:
			return fmt.Errorf("empty bucket %s: %w", r.bucket, p.busy.err)
		case nothing > 0:
			return fmt.Errorf("empty bucket %s: %w", r.bucket, p.refused.err)
		}
		if now := r.Now(); p.toEnd && atEnd.IsZero() {
			atEnd, gone = now, r.total
		} else if !atEnd.IsZero() && now.Sub(atEnd) > maxRefill {
			return &RefilledError{Bucket: r.bucket, NewVersions: r.total.Versions + r.total.Markers - gone.Versions - gone.Markers, For: now.Sub(atEnd)}
		}
	}
}

// uploads aborts unfinished uploads, which no listing of versions contains.
func (r *emptying) uploads(ctx context.Context) error {
	for {
		page, err := r.API.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &r.bucket, EncodingType: types.EncodingTypeUrl})
		if err != nil {
			return fmt.Errorf("list unfinished uploads in bucket %s: %w", r.bucket, err)
		}
		before := r.total
		for _, u := range page.Uploads {
			key, err := s3key.Decode(string(page.EncodingType), aws.ToString(u.Key))
			if err != nil {
				return err
			}
			_, err = r.API.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &r.bucket, Key: &key, UploadId: u.UploadId})
			if stack.Code(err) == "NoSuchUpload" { // completed or aborted since it was listed
				continue
			}
			if err != nil {
				return fmt.Errorf("abort unfinished upload of %q: %w", key, err)
			}
			r.total.Uploads++
		}
		if r.total == before {
			return nil
		}
	}
}

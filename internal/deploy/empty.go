package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/pause"
)

// BucketAPI is what emptying a bucket takes; *s3.Client satisfies it.
type BucketAPI interface {
	ListObjectVersions(context.Context, *s3.ListObjectVersionsInput, ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error)
	DeleteObjects(context.Context, *s3.DeleteObjectsInput, ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error)
	ListMultipartUploads(context.Context, *s3.ListMultipartUploadsInput, ...func(*s3.Options)) (*s3.ListMultipartUploadsOutput, error)
	AbortMultipartUpload(context.Context, *s3.AbortMultipartUploadInput, ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error)
}

var _ BucketAPI = (*s3.Client)(nil)

// Emptied counts what an Emptier removed.
type Emptied struct{ Versions, Markers, Uploads int }

// Emptier empties buckets.
type Emptier struct {
	API BucketAPI
	// Progress is told what is gone by now, after each call that deletes, from
	// one goroutine at a time. Nil isn't told.
	Progress func(Emptied)
	// Now is the time; nil is the clock's.
	Now func() time.Time
}

const (
	// deletes is how many keys S3 takes in one DeleteObjects call.
	deletes = 1000
	// atATime is how many such calls run at a time, and with them how many pages
	// of a listing are in memory. S3 deletes 3,500 objects a second in a prefix,
	// which these reach where each takes a second.
	atATime = 4
	// filledFor is how long a bucket may go on being filled once the end of its
	// listing was reached: S3 takes a while to apply a policy everywhere.
	filledFor = 10 * time.Minute
	// busyTries is how many passes in a row may delete nothing because S3 is busy
	// with their objects; it is left alone for busyPause after one that deleted
	// something, and for twice as long after each that didn't.
	busyTries = 8
	busyPause = 200 * time.Millisecond
)

// FilledError says that a bucket doesn't become empty because somebody goes on
// writing into it.
type FilledError struct {
	Bucket string
	// Came is how many versions and delete markers came since the end was first
	// reached, and For how long that is.
	Came int
	For  time.Duration
}

func (e *FilledError) Error() string {
	return fmt.Sprintf("empty bucket %s: it is being filled: %d versions came in the last %s", e.Bucket, e.Came, e.For.Round(time.Second))
}

// Hint says what to do.
func (e *FilledError) Hint() string {
	return "find out who writes into it and run the same command again; its policy doesn't keep replication from another bucket out"
}

// Empty deletes every version, delete marker and unfinished upload in a
// bucket; a bucket that is gone is empty. An object that S3 refuses to delete is
// an error once everything else is gone.
//
// A pass deletes pages while the next ones are listed. It may end early: S3
// finds its way on from a page that has just been deleted, some other servers
// don't. So passes begin at the start again until there is nothing, and are a page
// long once the server was lost.
func (e Emptier) Empty(ctx context.Context, bucket string) (Emptied, error) {
	if e.Now == nil {
		e.Now = time.Now
	}
	r := &emptying{Emptier: e, bucket: bucket}
	err := r.uploads(ctx)
	if err == nil {
		err = r.versions(ctx)
	}
	if code(err) == "NoSuchBucket" {
		err = nil
	}
	return r.total, err
}

// emptying is one run over a bucket.
type emptying struct {
	Emptier
	bucket string
	total  Emptied
	// lost says that a page that should have come next had nothing.
	lost bool
}

func (r *emptying) versions(ctx context.Context) error {
	var (
		atEnd   time.Time // when the listing's end was first reached
		gone    Emptied   // what was gone by then
		nothing int       // passes in a row that deleted nothing
	)
	for {
		before := r.total
		p, err := r.pass(ctx)
		if err != nil || p.listed == 0 {
			return err
		}
		if nothing++; r.total != before {
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
		} else if !atEnd.IsZero() && now.Sub(atEnd) > filledFor {
			return &FilledError{Bucket: r.bucket, Came: r.total.Versions + r.total.Markers - gone.Versions - gone.Markers, For: now.Sub(atEnd)}
		}
	}
}

// uploads ends unfinished uploads, which no listing of versions shows.
func (r *emptying) uploads(ctx context.Context) error {
	for {
		page, err := r.API.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &r.bucket})
		if err != nil {
			return fmt.Errorf("list unfinished uploads in bucket %s: %w", r.bucket, err)
		}
		before := r.total
		for _, u := range page.Uploads {
			_, err := r.API.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &r.bucket, Key: u.Key, UploadId: u.UploadId})
			if code(err) == "NoSuchUpload" { // finished, or given up, since it was listed
				continue
			}
			if err != nil {
				return fmt.Errorf("end unfinished upload of %s: %w", aws.ToString(u.Key), err)
			}
			r.total.Uploads++
		}
		if r.total == before {
			return nil
		}
	}
}

package bucket_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/deploy/bucket"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/testkit/suites/bucketload"
)

// TestEmptyWhileWritten does not deny writes: emptying ends, and the next run deletes
// objects that came too late.
func TestEmptyWhileWritten(t *testing.T) {
	memory := bucketload.NewMemory()
	_, client := bucketload.Behind(t, memory)
	if err := memory.Fill(t.Context(), "live", 3000, 30); err != nil {
		t.Fatal(err)
	}
	writer := bucketload.Write(t.Context(), client, "live", 50)
	if err := writer.Until(t.Context(), atRate); err != nil {
		t.Fatal(err)
	}
	first, err := bucket.Emptier{API: client}.Empty(t.Context(), "live")
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Until(t.Context(), func(w bucketload.Wrote) bool { return w.Written > first.Versions-3000 }); err != nil {
		t.Fatal(err)
	}
	wrote := writer.Stop()
	second, err := bucket.Emptier{API: client}.Empty(t.Context(), "live")
	if n := bucketload.Left(t, client, "live"); err != nil || n != 0 {
		t.Errorf("%d are left: %v", n, err)
	}
	if first.Versions+second.Versions != 3000+wrote.Written || first.Markers != 30 || second.Versions == 0 {
		t.Errorf("%+v, then %+v, of 3030 and %d", first, second, wrote.Written)
	}
}

// filled adds an object before every listing.
type filled struct {
	*s3.Client

	puts int
}

func (f *filled) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput, o ...func(*s3.Options)) (*s3.ListObjectVersionsOutput, error) {
	f.puts++
	if _, err := f.PutObject(ctx, &s3.PutObjectInput{Bucket: in.Bucket, Key: aws.String("again"), Body: strings.NewReader("x")}); err != nil {
		return nil, err
	}
	return f.Client.ListObjectVersions(ctx, in, o...)
}

// TestEmptyFilled gives up if the bucket never becomes empty.
func TestEmptyFilled(t *testing.T) {
	memory := bucketload.NewMemory()
	_, client := bucketload.Behind(t, memory)
	if err := memory.Fill(t.Context(), "filled", 1500, 0); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(0, 0)
	endless := &filled{Client: client}
	emptied, err := bucket.Emptier{API: endless, Now: func() time.Time { now = now.Add(time.Minute); return now }}.Empty(t.Context(), "filled")
	var never *bucket.RefilledError
	if !errors.As(err, &never) || never.NewVersions == 0 || never.Hint() == "" || emptied.Versions != 1500+endless.puts {
		t.Fatalf("%+v, %v", emptied, err)
	}
	if again, err := (bucket.Emptier{API: client}).Empty(t.Context(), "filled"); err != nil || again != (bucket.Emptied{}) {
		t.Errorf("afterwards: %+v, %v", again, err)
	}
}

// TestEmptyBusy uses a server that throttles three of ten calls.
func TestEmptyBusy(t *testing.T) {
	stand := bucketload.NewPaged(20_000)
	front, client := bucketload.Behind(t, stand)
	front.BusyOfTen = 3
	emptied, err := bucket.Emptier{API: client}.Empty(t.Context(), "busy")
	if err != nil || emptied.Versions != 20_000 || stand.Left() != 0 {
		t.Errorf("%+v, %d left: %v", emptied, stand.Left(), err)
	}
	if seen := front.Seen(); seen.Busy == 0 || seen.MostKeys != 1000 || seen.Deletes != 20 {
		t.Errorf("%+v", seen)
	}
}

// choosy rejects the deletion of some objects.
type choosy struct {
	*s3.Client

	// refuses returns the error code for an object; empty deletes it.
	refuses func(key string) string
}

func (c choosy) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput, o ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error) {
	var errs []types.Error
	var rest []types.ObjectIdentifier
	for _, object := range in.Delete.Objects {
		if code := c.refuses(*object.Key); code != "" {
			errs = append(errs, types.Error{Key: object.Key, VersionId: object.VersionId, Code: &code, Message: aws.String("not now")})
			continue
		}
		rest = append(rest, object)
	}
	if len(rest) == 0 {
		return &s3.DeleteObjectsOutput{Errors: errs}, nil
	}
	out, err := c.Client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: in.Bucket, Delete: &types.Delete{Objects: rest, Quiet: in.Delete.Quiet}}, o...)
	if err == nil {
		out.Errors = append(out.Errors, errs...)
	}
	return out, err
}

// TestEmptyRefused deletes everything but the locked objects, of any number, and
// reports the first.
func TestEmptyRefused(t *testing.T) {
	stand := bucketload.NewPaged(20_000)
	_, client := bucketload.Behind(t, stand)
	locked := func(key string) string {
		if key < "0000009500" {
			return "AccessDenied"
		}
		return ""
	}
	emptied, err := bucket.Emptier{API: choosy{client, locked}}.Empty(t.Context(), "locked")
	if err == nil || !strings.Contains(err.Error(), "empty bucket locked: 0000000000 (version ") || !strings.Contains(err.Error(), "AccessDenied: not now") {
		t.Errorf("got %v", err)
	}
	if emptied.Versions != 10_500 || stand.Left() != 9500 {
		t.Errorf("%+v, %d left", emptied, stand.Left())
	}
}

// TestEmptyBusyObjects retries objects for which S3 returned an internal error, and
// counts objects that another client has deleted.
func TestEmptyBusyObjects(t *testing.T) {
	stand := bucketload.NewPaged(3000)
	_, client := bucketload.Behind(t, stand)
	var asked atomic.Int64
	busy := func(key string) string {
		if key == "0000001500" && asked.Add(1) < 3 {
			return "SlowDown"
		}
		return ""
	}
	emptied, err := bucket.Emptier{API: choosy{client, busy}}.Empty(t.Context(), "busy")
	if err != nil || emptied.Versions != 3000 || stand.Left() != 0 || asked.Load() != 3 {
		t.Errorf("%+v, %d left, asked %d times: %v", emptied, stand.Left(), asked.Load(), err)
	}
}

// TestEmptyCancelled ends immediately, with a bounded part of the bucket in progress.
func TestEmptyCancelled(t *testing.T) {
	stand := bucketload.NewPaged(50_000)
	stand.Deleting = time.Hour
	front, client := bucketload.Behind(t, stand)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watched := &watched{Client: client, atATime: func(n int64) {
		if n == 4 {
			cancel()
		}
	}}
	_, err := bucket.Emptier{API: watched}.Empty(ctx, "slow")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if lists := front.Seen().Lists; lists > 5 || watched.calls.Load() > 5 || stand.Left() != 50_000 {
		t.Errorf("%d pages were listed, %d deletes begun", lists, watched.calls.Load())
	}
}

// watched counts the deletes in progress.
type watched struct {
	*s3.Client

	calls   atomic.Int64
	atATime func(int64)
}

func (w *watched) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput, o ...func(*s3.Options)) (*s3.DeleteObjectsOutput, error) {
	w.atATime(w.calls.Add(1))
	return w.Client.DeleteObjects(ctx, in, o...)
}

func atRate(w bucketload.Wrote) bool { return w.Written >= 10 }

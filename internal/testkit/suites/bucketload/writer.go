package bucketload

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// Writer adds objects to a bucket at a steady rate, some as new versions of
// others.
type Writer struct {
	client *s3.Client
	bucket string
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	wrote Wrote
	more  chan struct{} // closed and replaced when wrote changes
}

// Wrote is the result of a Writer.
type Wrote struct {
	// Written counts the accepted objects, Denied the rejected ones.
	Written, Denied int
	// Err is any other error.
	Err error
}

// Write starts a writer; Stop ends it.
func Write(ctx context.Context, client *s3.Client, bucket string, perSecond int) *Writer {
	ctx, cancel := context.WithCancel(ctx)
	w := &Writer{client: client, bucket: bucket, cancel: cancel, done: make(chan struct{}), more: make(chan struct{})}
	go w.run(ctx, time.Second/time.Duration(perSecond))
	return w
}

// run does not wait for slow responses, to keep the rate.
func (w *Writer) run(ctx context.Context, every time.Duration) {
	defer close(w.done)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var puts sync.WaitGroup
	defer puts.Wait()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			puts.Go(func() { w.put(context.WithoutCancel(ctx), Key(n/2)+".live") })
		}
	}
}

func (w *Writer) put(ctx context.Context, key string) {
	_, err := w.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: aws.String(key), Body: strings.NewReader("x")})
	w.mu.Lock()
	defer w.mu.Unlock()
	var api smithy.APIError
	switch {
	case err == nil:
		w.wrote.Written++
	case errors.As(err, &api) && api.ErrorCode() == "AccessDenied":
		w.wrote.Denied++
	default:
		w.wrote.Err = err
	}
	close(w.more)
	w.more = make(chan struct{})
}

// Until waits until the result so far satisfies enough.
func (w *Writer) Until(ctx context.Context, enough func(Wrote) bool) error {
	for {
		w.mu.Lock()
		ok, more, err := enough(w.wrote), w.more, w.wrote.Err
		w.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-more:
		}
	}
}

// Stop ends the writer after all responses have arrived.
func (w *Writer) Stop() Wrote {
	w.cancel()
	<-w.done
	return w.wrote
}

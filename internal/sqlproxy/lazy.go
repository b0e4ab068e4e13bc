package sqlproxy

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/streamctl/streamctl/internal/contract"
)

// lazyReader starts a statement with its first read, so that the statement can be
// canceled while the database has not answered yet.
type lazyReader struct {
	database Database
	task     contract.SQLTask
	ctx      func() context.Context
	cancel   context.CancelFunc

	mu     sync.Mutex
	reader io.ReadCloser
	closed bool
	failed error // of Open, which is called once
}

var errClosed = errors.New("the statement was given up")

func newLazyReader(ctx context.Context, d Database, t contract.SQLTask) *lazyReader {
	ctx, cancel := context.WithCancel(ctx)
	return &lazyReader{database: d, task: t, ctx: func() context.Context { return ctx }, cancel: cancel}
}

// Read reads messages; only one goroutine at a time may call it.
func (r *lazyReader) Read(p []byte) (int, error) {
	reader, err := r.open()
	if err != nil {
		return 0, err
	}
	return reader.Read(p)
}

func (r *lazyReader) open() (io.ReadCloser, error) {
	r.mu.Lock()
	reader, closed, failed := r.reader, r.closed, r.failed
	r.mu.Unlock()
	switch {
	case failed != nil:
		return nil, failed
	case closed:
		return nil, errClosed
	case reader != nil:
		return reader, nil
	}
	reader, err := r.database.Open(r.ctx(), r.task)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed = err; err != nil {
		return nil, err
	}
	if r.closed {
		return nil, errors.Join(errClosed, reader.Close())
	}
	r.reader = reader
	return reader, nil
}

// Close ends the response; it may be called while a read waits.
func (r *lazyReader) Close() error {
	r.cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	if r.reader == nil {
		return nil
	}
	return r.reader.Close()
}

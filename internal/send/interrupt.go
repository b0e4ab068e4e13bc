package send

import (
	"context"
	"errors"
	"io"
	"time"
)

// After an interrupt, a pipe is read until it is silent for idleTime, at most for
// drainTime, so that events in the pipe are kept too.
const (
	idleTime  = 300 * time.Millisecond
	drainTime = 3 * time.Second
)

// chunk is the result of one read.
type chunk struct {
	data []byte
	err  error
}

// pipe reads from a reader that may block.
type pipe struct {
	chunks chan chunk
	done   <-chan struct{}
	rest   chunk
	until  time.Time // after an interrupt
}

// Interruptible returns a reader whose reads end with ctx, for standard input, pipes
// and terminals. Shortly after the end of ctx it returns io.EOF. A read that is blocked
// then stays blocked until the program ends.
func Interruptible(ctx context.Context, r io.Reader) io.Reader {
	p := &pipe{chunks: make(chan chunk), done: ctx.Done()}
	go func() {
		for {
			data := make([]byte, 64<<10)
			n, err := r.Read(data)
			p.chunks <- chunk{data[:n], err}
			if err != nil {
				return
			}
		}
	}()
	return p
}

// Read returns available bytes, or waits for some.
func (p *pipe) Read(out []byte) (int, error) {
	if len(p.rest.data) == 0 && p.rest.err == nil {
		p.rest = p.next()
	}
	n := copy(out, p.rest.data)
	p.rest.data = p.rest.data[n:]
	if len(p.rest.data) > 0 {
		return n, nil
	}
	return n, p.rest.err
}

func (p *pipe) next() chunk {
	select {
	case c := <-p.chunks:
		return c
	case <-p.done:
	}
	if p.until.IsZero() {
		p.until = time.Now().Add(drainTime)
	}
	wait := time.NewTimer(min(idleTime, time.Until(p.until)))
	defer wait.Stop()
	select {
	case c := <-p.chunks:
		return c
	case <-wait.C:
		return chunk{err: io.EOF}
	}
}

// OpenBlocking opens a file that may block, such as a named pipe without a writer,
// and ends with ctx.
func OpenBlocking[F io.Closer](ctx context.Context, open func() (F, error)) (F, error) {
	type opened struct {
		file F
		err  error
	}
	result := make(chan opened)
	go func() {
		file, err := open()
		select {
		case result <- opened{file, err}:
		case <-ctx.Done():
			if err == nil {
				_ = file.Close() // the caller has returned
			}
		}
	}()
	select {
	case o := <-result:
		return o.file, o.err
	case <-ctx.Done():
		var none F
		return none, errors.Join(context.Cause(ctx))
	}
}

package sqlproxy

import (
	"context"
	"errors"
	"os"
	"time"
)

// watchClient notices that the client leaves while its statement runs, and cancels the
// statement. A client that has already sent its next message is not watched.
func (c *session) watchClient(ctx context.Context, s *stream) (stop func()) {
	if c.input.Buffered() > 0 {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := c.input.Peek(1)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			s.cancel(ctx)
		}
	}()
	return func() {
		_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed connection
		<-done
		_ = c.conn.SetReadDeadline(time.Time{})
		if ctx.Err() != nil { // the server ends
			_ = c.conn.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

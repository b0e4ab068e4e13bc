package sqlproxy

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pause"
)

const (
	// slotTime is the wait for one of the parallel statements to end.
	slotTime = 30 * time.Second
	// cancelEvery is the pause between two requests to cancel a statement, and
	// cancelTime the time after which they stop: the statement's own timeout then ends it.
	cancelEvery = 200 * time.Millisecond
	cancelTime  = 20 * time.Second
)

// stream is the response of a running statement.
type stream struct {
	server *Server
	token  string
	reader io.ReadCloser
	front  *pgproto3.Frontend
	// ended is closed when the response was read to its end, or given up.
	ended chan struct{}
	end   func()
	// canceling starts the requests to cancel once.
	canceling sync.Once
}

// start starts a statement. It waits for a free slot.
func (s *Server) start(ctx context.Context, t contract.SQLTask) (*stream, error) {
	wait := time.NewTimer(slotTime)
	defer wait.Stop()
	select {
	case s.slots <- struct{}{}:
	case <-wait.C:
		return nil, NewError(codeTooMany, "all parallel statements are in use", "close open cursors, or set a larger --max-parallel")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	t.Token, t.Stream = newToken(), true
	t.TimeoutSeconds = int(s.Timeout / time.Second)
	reader := newLazyReader(ctx, s.Database, t)
	r := &stream{server: s, token: t.Token, reader: reader, front: pgproto3.NewFrontend(reader, nil), ended: make(chan struct{})}
	r.front.SetMaxBodyLen(0) // the function bounds its messages
	r.end = sync.OnceFunc(func() {
		close(r.ended)
		s.background.Go(r.drain)
	})
	return r, nil
}

// next returns the next message, which is valid until the next call. The error of the
// database is an *Error.
func (r *stream) next() (pgproto3.BackendMessage, error) {
	message, err := r.front.Receive()
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		r.finish()
		return nil, NewError(codeSystem, "the query function ended before its result was complete", "`streamctl logs query` shows why; run the statement again")
	case err != nil:
		r.finish()
		return nil, err
	}
	switch message := message.(type) {
	case *pgproto3.ErrorResponse:
		response := *message
		r.finish()
		return nil, &Error{response}
	case *pgproto3.CommandComplete, *pgproto3.EmptyQueryResponse:
		r.finish()
	}
	return message, nil
}

// finish ends a response whose last message was read.
func (r *stream) finish() { r.end() }

// drainTime bounds the end of a response behind its last message.
const drainTime = 10 * time.Second

// drain reads the end of a response, so that its connection can be used again, and
// frees the slot: the function's execution has ended.
func (r *stream) drain() {
	late := time.AfterFunc(drainTime, func() { _ = r.reader.Close() })
	_, _ = io.Copy(io.Discard, r.reader) // behind the last message
	late.Stop()
	_ = r.reader.Close() // it was read to its end
	<-r.server.slots
}

// abandon cancels the statement in the background if it has not ended.
func (r *stream) abandon(ctx context.Context) {
	select {
	case <-r.ended:
		return
	default:
	}
	r.server.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTime) // it outlives the session
		defer cancel()
		r.cancel(ctx)
		stop := context.AfterFunc(ctx, func() { _ = r.reader.Close() })
		defer stop()
		_, _ = io.Copy(io.Discard, r.reader) // the rest is not needed
		r.finish()
	})
}

// cancel asks the database to cancel the statement until its response has ended. It
// returns immediately.
func (r *stream) cancel(ctx context.Context) {
	r.canceling.Do(func() {
		r.server.background.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelTime)
			defer cancel()
			for {
				if _, err := r.server.Database.Cancel(ctx, r.token); err != nil && ctx.Err() == nil {
					r.server.Note("Can't cancel an SQL statement: %v", err)
				}
				select {
				case <-r.ended:
					return
				default:
				}
				if pause.For(ctx, cancelEvery) != nil {
					return
				}
			}
		})
	})
}

// newToken returns a random name for a statement.
func newToken() string { return rand.Text() }

// ask returns the values of settings that a session with the given settings has.
func (s *Server) ask(ctx context.Context, settings map[string]string, names ...string) ([]string, error) {
	text := "SELECT"
	for i, name := range names {
		if i > 0 {
			text += ","
		}
		text += " current_setting('" + name + "')"
	}
	r, err := s.start(ctx, contract.SQLTask{Text: text, Settings: settings, Bind: &contract.SQLBind{}})
	if err != nil {
		return nil, err
	}
	defer r.abandon(ctx)
	var values []string
	for {
		message, err := r.next()
		if err != nil {
			return nil, err
		}
		switch message := message.(type) {
		case *pgproto3.DataRow:
			for _, v := range message.Values {
				values = append(values, string(v))
			}
		case *pgproto3.CommandComplete:
			if len(values) != len(names) {
				return nil, NewError(codeSystem, "the database returned an incomplete row", "")
			}
			return values, nil
		}
	}
}

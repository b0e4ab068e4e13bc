package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// running is a server that was started.
type running interface {
	// Stop ends it and keeps all that it acknowledged; Crash ends it at once.
	Stop(context.Context) error
	Crash(context.Context) error
	// Done is closed when it has ended.
	Done() <-chan struct{}
}

// supervisor keeps a server running on one port: whatever ended it, it is
// started again.
type supervisor struct {
	name  string
	start func(ctx context.Context) (running, error)
	log   *slog.Logger

	mu    sync.Mutex
	now   running
	back  chan struct{} // told of each return; holds one
	until time.Time     // not started again before
	stop  context.CancelFunc
	ended chan struct{}
}

// startTime bounds one start; a recovery after a crash may take a while.
const startTime = 2 * time.Minute

// begin starts the server for the first time; ctx bounds that only.
func (s *supervisor) begin(ctx context.Context) error {
	r, err := s.start(ctx)
	if err != nil {
		return err
	}
	s.now, s.ended, s.back = r, make(chan struct{}), make(chan struct{}, 1)
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(s.ended)
		s.watch(ctx)
	}()
	return nil
}

func (s *supervisor) current() running {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// watch starts the server again each time that it has ended.
func (s *supervisor) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.current().Done():
		}
		if ctx.Err() != nil {
			return
		}
		s.log.WarnContext(ctx, "server ended, starting it again", "server", s.name)
		if err := s.current().Crash(ctx); err != nil { // what it left open
			s.log.DebugContext(ctx, "server's end", "server", s.name, "err", err)
		}
		if s.again(ctx) != nil {
			return
		}
		s.log.InfoContext(ctx, "server is back", "server", s.name)
		select {
		case s.back <- struct{}{}:
		default:
		}
	}
}

// again starts the server until that works.
func (s *supervisor) again(ctx context.Context) error {
	for {
		s.mu.Lock()
		wait := time.Until(s.until)
		s.mu.Unlock()
		if err := pause.For(ctx, max(wait, 100*time.Millisecond)); err != nil {
			return err
		}
		starting, cancel := context.WithTimeout(ctx, startTime)
		r, err := s.start(starting)
		cancel()
		if err == nil {
			s.mu.Lock()
			s.now = r
			s.mu.Unlock()
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.log.ErrorContext(ctx, "server not started", "server", s.name, "err", err)
		if err := pause.For(ctx, time.Second); err != nil {
			return err
		}
	}
}

// down crashes the server and keeps it down for a while.
func (s *supervisor) down(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	s.until = time.Now().Add(d)
	r := s.now
	s.mu.Unlock()
	return r.Crash(ctx)
}

// end stops the server; at once means without its farewells.
func (s *supervisor) end(ctx context.Context, atOnce bool) error {
	s.stop()
	<-s.ended
	r, stop := s.current(), s.current().Stop
	if atOnce {
		stop = r.Crash
	}
	select {
	case <-r.Done(): // it had ended before
		stop = r.Crash
	default:
	}
	if err := stop(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop %s: %w", s.name, err))
	}
	return nil
}

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

// running is a started server.
type running interface {
	// Stop keeps everything the server acknowledged; Crash ends it immediately.
	Stop(context.Context) error
	Crash(context.Context) error
	// Done is closed when the server has ended.
	Done() <-chan struct{}
}

// supervisor keeps a server running on one port: whenever the server ends, it
// starts it again.
type supervisor struct {
	name  string
	start func(ctx context.Context) (running, error)
	log   *slog.Logger

	mu    sync.Mutex
	now   running
	back  chan struct{} // signaled after each restart; capacity 1
	until time.Time     // earliest time of the next start
	stop  context.CancelFunc
	ended chan struct{}
}

// startTime is the timeout of one start; recovery after a crash may take a
// while.
const startTime = 2 * time.Minute

// begin starts the server for the first time. ctx applies to that start only.
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

// watch restarts the server each time it ends.
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
		s.log.WarnContext(ctx, "server ended; restarting it", "server", s.name)
		if err := s.current().Crash(ctx); err != nil { // release its resources
			s.log.DebugContext(ctx, "release ended server", "server", s.name, "err", err)
		}
		if s.again(ctx) != nil {
			return
		}
		s.log.InfoContext(ctx, "server restarted", "server", s.name)
		select {
		case s.back <- struct{}{}:
		default:
		}
	}
}

// again tries to start the server until it succeeds.
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
		s.log.ErrorContext(ctx, "could not restart server", "server", s.name, "err", err)
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

// end stops the server; atOnce skips the orderly shutdown.
func (s *supervisor) end(ctx context.Context, atOnce bool) error {
	s.stop()
	<-s.ended
	r, stop := s.current(), s.current().Stop
	if atOnce {
		stop = r.Crash
	}
	select {
	case <-r.Done(): // it has already ended
		stop = r.Crash
	default:
	}
	if err := stop(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop %s: %w", s.name, err))
	}
	return nil
}

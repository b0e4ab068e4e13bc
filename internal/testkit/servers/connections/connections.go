// Package connections accepts connections and closes all connections at the end.
package connections

import (
	"context"
	"net"
	"sync"
)

// Set is a listener with its accepted connections and the connections opened on
// their behalf.
type Set struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]bool
}

// New takes ownership of a listener; Stop closes it.
func New(listener net.Listener) *Set {
	return &Set{listener: listener, open: map[net.Conn]bool{}}
}

// Accept runs handle for each connection, in a goroutine, until Stop. When
// handle returns, its connection is closed and its context ends.
func (s *Set) Accept(ctx context.Context, handle func(context.Context, net.Conn)) {
	base := context.WithoutCancel(ctx)
	s.running.Go(func() { s.accept(base, handle) })
}

func (s *Set) accept(ctx context.Context, handle func(context.Context, net.Conn)) {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed by Stop
		}
		if !s.Track(conn) {
			return
		}
		s.running.Go(func() {
			defer s.Forget(conn)
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			handle(ctx, conn)
		})
	}
}

// Track registers an open connection for Stop; it returns false, and closes the
// connection, after Stop.
func (s *Set) Track(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	s.open[c] = true
	return true
}

// Forget closes a connection that was registered with Track.
func (s *Set) Forget(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// Stop closes every connection and waits until every handle has returned.
func (s *Set) Stop() error {
	s.mu.Lock()
	s.closed = true
	err := s.listener.Close()
	for c := range s.open {
		_ = c.Close() // abort, without an orderly close
	}
	s.mu.Unlock()
	s.running.Wait()
	return err
}

// Package connections accepts connections and cuts them all at the end.
package connections

import (
	"context"
	"net"
	"sync"
)

// Set is a listener with the connections that it took, and those that were made
// on their behalf.
type Set struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]bool
}

// New takes over a listener; Stop closes it.
func New(listener net.Listener) *Set {
	return &Set{listener: listener, open: map[net.Conn]bool{}}
}

// Accept begins to hand each connection to handle, in a goroutine of its own,
// until Stop. A connection is closed when its handle returns; handle's context
// ends then too.
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

// Track remembers an open connection for Stop; false says that it is too late,
// and the connection is closed.
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

// Forget closes a connection that Track remembered.
func (s *Set) Forget(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// Stop cuts every connection and waits until every handle has returned.
func (s *Set) Stop() error {
	s.mu.Lock()
	s.closed = true
	err := s.listener.Close()
	for c := range s.open {
		_ = c.Close() // cut, not ended in order
	}
	s.mu.Unlock()
	s.running.Wait()
	return err
}

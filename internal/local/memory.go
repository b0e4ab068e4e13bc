package local

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/streamctl/streamctl/internal/pause"
)

// memoryRedis is a Redis in this process, for machines without a Redis server.
// It requires the password from every client.
type memoryRedis struct{ addr, password string }

// start starts an empty Redis on its previous address.
func (m *memoryRedis) start(ctx context.Context) (running, error) {
	server := miniredis.NewMiniRedis()
	addr := m.addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	server.RequireAuth(m.password)
	if err := server.StartAddr(addr); err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	m.addr = server.Addr()
	ticking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &memoryServer{server: server, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for pause.For(ticking, time.Second) == nil {
			server.FastForward(time.Second) // its keys expire only by this clock
		}
		server.Close()
	}()
	return r, nil
}

type memoryServer struct {
	server *miniredis.Miniredis
	cancel context.CancelFunc
	done   chan struct{}
}

func (s *memoryServer) Stop(context.Context) error {
	s.cancel()
	<-s.done
	return nil
}

func (s *memoryServer) Crash(ctx context.Context) error { return s.Stop(ctx) }

func (s *memoryServer) Done() <-chan struct{} { return s.done }

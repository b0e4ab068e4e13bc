// Package redis provides tests with a real Redis. Tests are never skipped: on a
// machine without Redis they fail with installation instructions.
package redis

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/local/redisserver"
)

// Start starts an empty server, which stops when the test ends.
func Start(t testing.TB) *redisserver.Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "streamctl-redis-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s, err := redisserver.Start(t.Context(), redisserver.Options{Dir: dir})
	if err != nil {
		var hint interface{ Hint() string }
		if errors.As(err, &hint) {
			t.Fatalf("%v: %s", err, hint.Hint())
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Client returns a client of the server, which is closed when the test ends.
func Client(t testing.TB, s *redisserver.Server) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1})
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

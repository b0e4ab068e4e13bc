package redisserver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/internal/local/redisserver"
)

func TestServer(t *testing.T) {
	for name, o := range map[string]redisserver.Options{
		"open":     {},
		"password": {Password: `se"cret \ x`},
	} {
		t.Run(name, func(t *testing.T) {
			o.Dir = t.TempDir()
			s, err := redisserver.Start(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			client := redis.NewClient(&redis.Options{Addr: s.Addr, Password: o.Password, MaxRetries: -1})
			if err := client.Set(t.Context(), "k", "v", 0).Err(); err != nil {
				t.Error(err)
			}
			if o.Password != "" {
				anyone := redis.NewClient(&redis.Options{Addr: s.Addr, MaxRetries: -1})
				if err := anyone.Ping(t.Context()).Err(); err == nil {
					t.Error("answered without the password")
				}
			}
			if err := s.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := client.Ping(context.WithoutCancel(t.Context())).Err(); err == nil {
				t.Error("still answers after Stop")
			}
		})
	}
}

// TestValkeyIsPreferred runs with both programs, with valkey-server only, and
// with neither.
func TestValkeyIsPreferred(t *testing.T) {
	real, err := redisserver.Find()
	if err != nil {
		t.Fatal(err)
	}
	base, err := os.MkdirTemp("", "streamctl-valkey-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	both, only := filepath.Join(base, "both"), filepath.Join(base, "only")
	if err := errors.Join(os.Chmod(base, 0o755), os.Mkdir(both, 0o755), os.Mkdir(only, 0o755)); err != nil { // the server's account executes it
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(both, "valkey-server"), filepath.Join(both, "redis-server"), filepath.Join(only, "valkey-server")} {
		if err := os.Symlink(real, path); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{both, only} {
		t.Setenv("PATH", dir)
		s, err := redisserver.Start(t.Context(), redisserver.Options{Dir: filepath.Join(t.TempDir(), "server"), Password: "secret"})
		if err != nil {
			t.Fatal(err)
		}
		if s.Program != filepath.Join(dir, "valkey-server") {
			t.Errorf("it runs %s", s.Program)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestOrphanIsEnded starts a second server on the folder of one that is still
// running.
func TestOrphanIsEnded(t *testing.T) {
	o := redisserver.Options{Dir: t.TempDir()}
	first, err := redisserver.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Port = first.Port
	second, err := redisserver.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.Done():
	default:
		t.Error("the first server still runs")
	}
	if err := errors.Join(second.Stop(t.Context()), first.Stop(t.Context())); err != nil {
		t.Error(err)
	}
}

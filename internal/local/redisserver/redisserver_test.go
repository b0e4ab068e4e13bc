package redisserver_test

import (
	"context"
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

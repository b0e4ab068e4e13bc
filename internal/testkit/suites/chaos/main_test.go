package chaos

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"testing"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/metric"
)

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cache.Quiet()
	if IsChild(os.Getenv) {
		if err := Child(ctx, os.Getenv, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if shared.servers != nil {
		if err := shared.servers.Close(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// shared holds the servers of all tests, started with the first.
var shared struct {
	once    sync.Once
	servers *Servers
	err     error
}

func servers(t *testing.T) *Servers {
	t.Helper()
	shared.once.Do(func() {
		shared.servers, shared.err = StartServers(context.WithoutCancel(t.Context()), []metric.Definition{Declared()})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.servers
}

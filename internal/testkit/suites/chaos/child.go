package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/mapper"
	"github.com/streamctl/streamctl/internal/pause"
)

// Variables of a child process: its database, through a proxy, and its Redis.
const (
	childPostgres = "STREAMCTL_CHAOS_CHILD_POSTGRES"
	childDatabase = "STREAMCTL_CHAOS_CHILD_DATABASE"
	childRedis    = "STREAMCTL_CHAOS_CHILD_REDIS"
	childPassword = "STREAMCTL_CHAOS_CHILD_PASSWORD"
)

// IsChild reports whether this process is a processor for one invocation.
func IsChild(getenv func(string) string) bool { return getenv(childPostgres) != "" }

// noObjects stores nothing; a child receives no line that would be stored.
type noObjects struct{}

func (noObjects) Put(context.Context, string, []byte) error { return errRefused }

// Child handles one invocation, from in to out.
func Child(ctx context.Context, getenv func(string) string, in io.Reader, out io.Writer) error {
	var e events.KinesisEvent
	if err := json.NewDecoder(in).Decode(&e); err != nil {
		return fmt.Errorf("read invocation: %w", err)
	}
	db := loaderAt(getenv(childPostgres), getenv(childDatabase), getenv(childPassword))
	client := cache.Local(getenv(childRedis), "")
	h := processor.New(contract.Processor{}, processor.Deps{Warehouse: db, Cache: cache.New(client, time.Now), Objects: noObjects{}, Metrics: nothing{}, Log: quiet()})
	resp, err := h.Handle(ctx, e)
	if err != nil {
		return err
	}
	_ = db.Close(ctx) // only the response matters
	return errors.Join(client.Close(), json.NewEncoder(out).Encode(resp))
}

// freezeTimeout is the time after which the frozen function's invocation is
// given up.
const freezeTimeout = 300 * time.Millisecond

// idleTimeout is the time after which the server ends an idle transaction of
// the loader.
const idleTimeout = 10 * time.Second

// endIdle terminates the sessions that have been idle in a transaction for
// idle.
func (w *World) endIdle(ctx context.Context, idle time.Duration) {
	if pause.For(ctx, idle) != nil {
		return
	}
	// If this fails, the server ends them later.
	_ = w.superuser(ctx, fmt.Sprintf(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = '%s' AND state LIKE 'idle in transaction%%' AND state_change < clock_timestamp() - interval '%d ms'`, w.Database, idle.Milliseconds()*9/10))
}

// Freeze freezes the next invocation of the processor, in a separate process,
// within its transaction, as Lambda may freeze an environment. Its locks are
// held for idle, until the server ends the session. The loader's timeout is
// fixed at 10 seconds; for a shorter time Freeze terminates the session.
func (w *World) Freeze(idle time.Duration) {
	w.Processor.note(func() {
		w.Processor.instead = func(ctx context.Context, payload []byte) (mapper.Result, error) {
			if err := w.freeze(ctx, payload, idle); err != nil {
				return mapper.Result{}, err
			}
			return mapper.Result{Failed: true, Payload: []byte(`{"errorMessage":"timed out"}`)}, nil
		}
	})
}

func (w *World) freeze(ctx context.Context, payload []byte, idle time.Duration) error {
	proxy, err := NewProxy(ctx, w.Servers.PostgresAddr())
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return errors.Join(err, proxy.Close())
	}
	cmd := exec.Command(self) //nolint:noctx // must outlive the invocation
	cmd.Env = append(os.Environ(), childPostgres+"=127.0.0.1:"+proxy.Port(), childDatabase+"="+w.Database, childRedis+"="+w.Servers.RedisAddr(), childPassword+"="+w.Servers.Password(contract.RoleLoader))
	in, err := cmd.StdinPipe()
	if err != nil {
		return errors.Join(err, proxy.Close())
	}
	frozen, ended := make(chan struct{}), make(chan struct{})
	proxy.Arm(&Rule{Match: []byte("INSERT INTO public.metric_minute"), Hook: func() {
		if cmd.Process.Signal(syscall.SIGSTOP) == nil {
			close(frozen)
		}
	}})
	if err := cmd.Start(); err != nil {
		return errors.Join(err, proxy.Close())
	}
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed, or its response comes too late
		_ = proxy.Close()
	}()
	_, writeErr := in.Write(payload)
	if err := errors.Join(writeErr, in.Close()); err != nil {
		return errors.Join(err, cmd.Process.Kill())
	}
	select {
	case <-frozen:
		w.Processor.note(func() { w.Frozens++ })
		if idle < idleTimeout {
			go w.endIdle(ctx, idle)
		}
		// It wakes up and continues long after the server has given it up.
		go func() {
			if pause.For(ctx, 2*idle) != nil {
				_ = cmd.Process.Kill() // it may have ended
			}
			_ = cmd.Process.Signal(syscall.SIGCONT)
		}()
		return pause.For(ctx, freezeTimeout)
	case <-ended: // nothing to load, or the server was unavailable: freeze a later one
		w.Freeze(idle)
		w.Processor.note(func() { w.Processor.pass = 1 + w.Random.IntN(5) })
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), cmd.Process.Kill())
	}
}

// Package e2e_test runs the program against the AWS stand-in like a user.
package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/suites/platform"
)

const password = "YourSecurePassword123!"

// shared is the platform of this package's tests; it starts when the first test
// needs it.
var shared struct {
	once     sync.Once
	dir      string
	platform *platform.Platform
	err      error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.platform != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if err := shared.platform.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "stop platform:", err)
			code = 1
		}
		cancel()
	}
	if shared.dir != "" {
		if err := os.RemoveAll(shared.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

func start(t testing.TB) *platform.Platform {
	t.Helper()
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "streamctl-e2e-"); shared.err != nil {
			return
		}
		shared.err = os.Chmod(shared.dir, 0o755) // PostgreSQL runs as another user
		if shared.err == nil {
			shared.platform, shared.err = platform.Start(context.Background(), platform.Options{
				Dir: shared.dir, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
			})
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.platform
}

// workplace is a folder with a variables file, in which programs run.
type workplace struct {
	t        testing.TB
	platform *platform.Platform
	dir      string
	environ  []string
}

// newWorkplace prepares a folder like `streamctl init`; more is appended to the
// variables file.
func newWorkplace(t testing.TB, more string) *workplace {
	t.Helper()
	p := start(t)
	w := &workplace{t: t, platform: p, dir: t.TempDir(), environ: append(p.Environment(), "STREAMCTL_DATABASE_PASSWORD="+password)}
	w.streamctl("init").want(0)
	if more != "" {
		w.set(more)
	}
	return w
}

// result is the result of a program.
type result struct {
	t              testing.TB
	command        string
	code           int
	stdout, stderr string
}

// run runs a program to completion.
func (w *workplace) run(program string, args ...string) result {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = w.dir, w.environ
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("%s %v: %v", program, args, err)
	}
	r := result{t: w.t, command: program + " " + strings.Join(args, " "), code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
	if strings.Contains(r.stdout+r.stderr, password) {
		w.t.Errorf("%s printed the password", r.command)
	}
	return r
}

func (w *workplace) streamctl(args ...string) result {
	w.t.Helper()
	if len(args) > 0 && slices.Contains([]string{"package", "deploy", "diff"}, args[0]) {
		args = append(args, "--source", w.platform.Root)
	}
	return w.run(w.platform.Streamctl, args...)
}

// want ends the test if the exit code differs.
func (r result) want(code int) result {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("%s: exit code %d, want %d\n%s\n%s", r.command, r.code, code, r.stdout, r.stderr)
	}
	return r
}

// says ends the test if the program did not print a text.
func (r result) says(text string) result {
	r.t.Helper()
	if !strings.Contains(r.stdout+r.stderr, text) {
		r.t.Fatalf("%s: %q is missing in\n%s\n%s", r.command, text, r.stdout, r.stderr)
	}
	return r
}

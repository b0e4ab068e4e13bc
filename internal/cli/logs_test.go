package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/cli"
	"github.com/streamctl/streamctl/internal/pause"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// lockedBuffer is a buffer that a test reads while a verb writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// awaitText waits until a buffer contains a text.
func awaitText(t *testing.T, b *lockedBuffer, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(b.String(), text); {
		if err := pause.For(t.Context(), 5*time.Millisecond); err != nil || time.Now().After(end) {
			t.Fatalf("no %q in\n%s", text, b.String())
		}
	}
}

// TestLogsFollow shows each line once, also those after a failed call, until the interrupt,
// which is no error.
func TestLogsFollow(t *testing.T) {
	fake := startStandIn(t, awsfake.Options{})
	dir := t.TempDir()
	variablesIn(t, dir, "StackName: shown\n")
	fake.WriteLog("/aws/lambda/shown-ingest", `{"level":"INFO","msg":"first"}`)
	follow(t, []string{"logs", "ingest", "query", "-f", "--variables", filepath.Join(dir, "variables.yaml")}, func(out, said *lockedBuffer) {
		awaitText(t, out, "first")
		awaitText(t, said, "shown-query does not exist")
		fake.WriteLog("/aws/lambda/shown-query", `{"level":"INFO","msg":"second"}`)
		awaitText(t, out, "second")
		fake.FailCall("logs", "FilterLogEvents", http.StatusBadRequest, "InvalidParameterException", "for a moment", 2)
		awaitText(t, said, "The log can't be read: ")
		fake.WriteLog("/aws/lambda/shown-ingest", `{"level":"INFO","msg":"third"}`)
		awaitText(t, out, "third")
		if got := out.String(); strings.Count(got, "\n") != 3 || strings.Count(said.String(), "does not exist") != 1 {
			t.Errorf("%s%s", got, said)
		}
	})
}

// TestLocalLogFollow follows the log of a data folder through a rotation.
func TestLocalLogFollow(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(".streamctl-local", "This is a data folder of `streamctl local`, version 1. `streamctl local --reset` empties it.\n")
	line := func(text string) string {
		return `{"time":"` + time.Now().UTC().Format(time.RFC3339Nano) + `","level":"INFO","msg":"` + text + `","function":"ingest"}` + "\n"
	}
	follow(t, []string{"logs", "-f", "--data-dir", dir}, func(out, _ *lockedBuffer) {
		write("functions.log", line("one")+line("two"))
		awaitText(t, out, "two")
		if err := os.Rename(filepath.Join(dir, "functions.log"), filepath.Join(dir, "functions.log.1")); err != nil {
			t.Fatal(err)
		}
		write("functions.log", line("three"))
		awaitText(t, out, "three")
		if got := out.String(); strings.Count(got, "\n") != 3 {
			t.Error(got)
		}
	})
}

// follow runs a verb until act returns.
func follow(t *testing.T, args []string, act func(out, said *lockedBuffer)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out, said lockedBuffer
	done := make(chan int, 1)
	go func() {
		app := cli.App{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said, Getenv: os.Getenv, Environ: os.Environ, Poll: 10 * time.Millisecond}
		done <- app.Run(ctx, args)
	}()
	act(&out, &said)
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("the interrupt exits with %d: %s", code, &said)
	}
}

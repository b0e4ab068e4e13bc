package cli_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/cli"
	"github.com/streamctl/streamctl/internal/pause"
)

// counting is an API that accepts everything and counts identities.
type counting struct {
	mu    sync.Mutex
	users map[string]map[string]bool // identities by user
	// reached is closed after so many requests; nil never is.
	after   int
	reached func()
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	var events []struct{ EventID, Timestamp, UserID string }
	if err == nil {
		err = json.NewDecoder(z).Decode(&events)
	}
	if err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var results []map[string]int
	for i, e := range events {
		if c.users[e.UserID] == nil {
			c.users[e.UserID] = map[string]bool{}
		}
		c.users[e.UserID][e.EventID+e.Timestamp] = true
		results = append(results, map[string]int{"event": i, "status": 202})
	}
	if c.after--; c.after == 0 {
		c.reached()
	}
	w.WriteHeader(http.StatusAccepted)
	_ = json.NewEncoder(w).Encode(map[string]any{"results": results})
}

// runIn runs a command in its own folder.
func runIn(ctx context.Context, stdin io.Reader, args ...string) (code int, stdout, stderr string) {
	var out, story bytes.Buffer
	app := cli.App{Stdin: stdin, Stdout: &out, Stderr: &story, Getenv: os.Getenv, Environ: os.Environ}
	code = app.Run(ctx, args)
	return code, out.String(), story.String()
}

// TestSendInterruptedIsResumed interrupts the sending of a file without ids at
// several places. It exits with 6 and keeps every event that was not accepted; the same
// command again sends nothing, and the kept file completes it without a duplicate.
func TestSendInterruptedIsResumed(t *testing.T) {
	const events = 1000
	var text strings.Builder
	for i := range events {
		fmt.Fprintf(&text, "{\"userId\": \"u%d\", \"eventType\": \"x\"}\n", i)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := io.WriteString(z, text.String())
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file, text string
		after            int
		rate             string
	}{
		{"at the first request", "events.ndjson", text.String(), 1, "0"},
		{"in the middle", "events.ndjson", text.String(), 7, "0"},
		{"slow", "events.ndjson", text.String(), 3, "2000"},
		{"gzip", "events.ndjson.gz", zipped.String(), 5, "0"},
		{"JSON", "events.json", "[" + strings.ReplaceAll(strings.TrimSpace(text.String()), "\n", ",\n") + "]", 5, "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			api := &counting{users: map[string]map[string]bool{}, after: tt.after, reached: cancel}
			server := httptest.NewServer(api)
			defer server.Close()
			file := filepath.Join(t.TempDir(), tt.file)
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"send", file, "--url", server.URL, "--batch", "20", "--rate", tt.rate, "--linger", "1ms"}
			code, out, said := runIn(ctx, strings.NewReader(""), args...)
			if code != 6 || !strings.Contains(said, "streamctl send "+file+".unsent") {
				t.Fatalf("code %d\n%s%s", code, out, said)
			}
			accepted := len(api.users)
			kept, err := os.ReadFile(file + ".unsent")
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(kept, []byte{'\n'}); n+accepted != events || n == 0 {
				t.Errorf("%d accepted, %d kept", accepted, n)
			}
			if code, _, said := runIn(t.Context(), strings.NewReader(""), args...); code != 2 || !strings.Contains(said, file+".unsent exists") || len(api.users) != accepted {
				t.Errorf("again: code %d, %s", code, said)
			}
			if code, out, said := runIn(t.Context(), strings.NewReader(""), "send", file+".unsent", "--url", server.URL); code != 0 {
				t.Fatalf("resumed: code %d\n%s%s", code, out, said)
			}
			if code, _, _ := runIn(t.Context(), strings.NewReader(""), "send", file+".unsent", "--url", server.URL); code != 0 {
				t.Errorf("resumed twice: code %d", code)
			}
			if len(api.users) != events {
				t.Errorf("%d of %d events", len(api.users), events)
			}
			for user, ids := range api.users {
				if len(ids) != 1 {
					t.Errorf("%s has %d identities", user, len(ids))
				}
			}
		})
	}
}

// TestSendInterruptedInput interrupts inputs that never send anything, or stop sending.
func TestSendInterruptedInput(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, arg, said string
		before          string
	}{
		{name: "silent standard input", arg: "-"},
		{name: "standard input that becomes silent", arg: "-", before: "{\"userId\": \"a\", \"eventType\": \"x\"}\n"},
		{name: "the middle of a line", arg: "-", before: "{\"userId\": \"a\", \"eventType\": \"x\"}\n{\"userId\":"},
		{name: "the middle of an array", arg: "-", before: "[{\"userId\":"},
		{name: "a pipe without a writer", arg: fifo},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			api := &counting{users: map[string]map[string]bool{}}
			server := httptest.NewServer(api)
			defer server.Close()
			r, w := io.Pipe()
			defer w.Close()
			go func() {
				if tt.before != "" {
					_, _ = io.WriteString(w, tt.before)
				}
				if pause.For(t.Context(), 200*time.Millisecond) == nil {
					cancel()
				}
			}()
			began := time.Now()
			code, out, said := runIn(ctx, r, "send", tt.arg, "--url", server.URL)
			if code != 6 || !strings.Contains(said, "streamctl: interrupted") || !strings.Contains(said, "hint: ") {
				t.Errorf("code %d\n%s%s", code, out, said)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if strings.Contains(tt.before, "\n") && len(api.users) != 1 {
				t.Errorf("%d events arrived", len(api.users))
			}
		})
	}
}

// TestSendInterruptedEndlessPipe stops reading a pipe whose writer never stops.
func TestSendInterruptedEndlessPipe(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "endless.ndjson")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	api := &counting{users: map[string]map[string]bool{}, after: 3, reached: cancel}
	server := httptest.NewServer(api)
	defer server.Close()
	ended := make(chan struct{})
	go func() {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			default:
			}
			if _, err := fmt.Fprintf(f, "{\"userId\": \"u%d\", \"eventType\": \"x\"}\n", i); err != nil {
				return
			}
		}
	}()
	code, out, said := runIn(ctx, strings.NewReader(""), "send", file, "--url", server.URL, "--batch", "20")
	close(ended)
	if code != 6 || !strings.Contains(said, ".unsent") {
		t.Fatalf("code %d\n%s%s", code, out, said)
	}
	kept, err := os.ReadFile(file + ".unsent")
	if err != nil {
		t.Fatal(err)
	}
	if len(kept) == 0 {
		t.Error("nothing is kept")
	}
}

package cli_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/cli"
)

// screenText collects the output of a terminal.
type screenText struct {
	mu   sync.Mutex
	text string
}

// wait waits until the text from a position on contains something, and returns the
// position behind it.
func (s *screenText) wait(t *testing.T, from int, want string) int {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		s.mu.Lock()
		text := s.text
		s.mu.Unlock()
		if i := strings.Index(text[min(from, len(text)):], want); i >= 0 {
			return from + i + len(want)
		}
		if time.Now().After(end) {
			t.Fatalf("%q is missing behind character %d of\n%s", want, from, text)
		}
	}
}

// TestSQLPrompt types statements at the prompt, cancels one, clears a line, and ends
// the prompt.
func TestSQLPrompt(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "streamctl-prompt-") // a superuser's PostgreSQL runs as another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.WriteFile(dir+"/variables.yaml", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	output, input := io.Pipe()
	go func() {
		app := cli.App{Stdin: strings.NewReader(""), Stdout: input, Stderr: io.Discard, Getenv: os.Getenv, Environ: os.Environ}
		ended <- app.Run(ctx, []string{"local", "--variables", dir + "/variables.yaml", "--data-dir", dir + "/data", "--port", "0", "--dashboard-port", "0", "-o", "json"})
	}()
	defer func() {
		stop()
		<-ended
	}()
	var info map[string]any
	if err := json.NewDecoder(output).Decode(&info); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, output) }() // until the end of the test

	keyboard, screen := pseudoTerminal(t)
	var shown screenText
	go func() {
		var part [4096]byte
		for {
			n, err := keyboard.Read(part[:])
			shown.mu.Lock()
			shown.text += string(part[:n])
			shown.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	code := make(chan int, 1)
	go func() {
		app := cli.App{Stdin: screen, Stdout: screen, Stderr: screen, Getenv: os.Getenv, Environ: os.Environ}
		code <- app.Run(t.Context(), []string{"sql", "--data-dir", dir + "/data"})
	}()
	at := shown.wait(t, 0, "analytics> ")
	for _, step := range []struct{ keys, want string }{
		{"SELECT 40 +\r", "-> "},
		{"2 AS answer;\r", "42"},
		{"SELECT 1/0;\r", "division by zero"},
		{"\\d\r", "metric_minute"},
		{"\\d events\r", "received_at"},
		{"\\x\r", "is not known"},
		{"SELECT pg_sleep(300);\r", "300);"},
		{"\x03", "canceling statement due to user request"},
		{"SELECT 'unfinished", "unfinished"},
		{"\x03SELECT 5 + 5 AS sum;\r", "10"},
		{"\x1b[A\r", "10"}, // the line before
		{"SELECT E'\\x1b[31m' AS red;\r", "red"},
	} {
		if _, err := keyboard.WriteString(step.keys); err != nil {
			t.Fatal(err)
		}
		at = shown.wait(t, at, step.want)
	}
	shown.wait(t, at, "analytics> ")
	if _, err := keyboard.WriteString("\x04"); err != nil {
		t.Fatal(err)
	}
	if c := <-code; c != 0 {
		t.Errorf("exit code %d", c)
	}
	shown.mu.Lock()
	defer shown.mu.Unlock()
	if strings.Contains(shown.text, "\x1b[31m") {
		t.Error("a value colored the terminal")
	}
}

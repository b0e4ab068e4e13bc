package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamctl/streamctl/internal/cli"
	"github.com/streamctl/streamctl/internal/cli/ui"
)

// TestQueryFitsTheTerminal shows answers with long names and many steps on terminals of
// several widths. No line is wider, every time has its zone, and exact numbers are whole.
func TestQueryFitsTheTerminal(t *testing.T) {
	const long = "a very long name of an event type that is much longer than a terminal is wide"
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var points []any
	for i := range 300 {
		points = append(points, map[string]any{"at": from.Add(time.Duration(i) * time.Minute), "eventType": long, "count": i}, map[string]any{"at": from.Add(time.Duration(i) * time.Minute), "eventType": "b", "count": 300 - i})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]any{"metric": "events", "from": from, "to": from.Add(5 * time.Hour), "stepSeconds": 60, "source": "cache", "asOf": from.Add(5 * time.Hour), "points": points,
			"folded": map[string]any{"from": from, "to": from.Add(time.Hour), "events": 12}}
		switch {
		case strings.HasSuffix(r.URL.Path, "/summary"):
			answer = map[string]any{"metric": "summary", "source": "cache+warehouse", "asOf": from, "events": 1_000_001, "byType": map[string]int{long: 1_000_000, "b": 1}}
		case strings.HasSuffix(r.URL.Path, "/revenue"):
			answer["metric"], answer["points"] = "revenue", []any{map[string]any{"at": from, "count": 3, "sum": json.Number("123456789012345678901234567890.125"), "min": 1, "max": 2}}
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	defer server.Close()
	zone, _ := time.Now().Zone()
	for _, columns := range []uint16{60, 80, 200} {
		for _, metric := range []string{"events", "summary", "revenue"} {
			keyboard, screen := pseudoTerminal(t)
			if err := unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
				t.Fatal(err)
			}
			shown := make(chan string)
			go func() {
				text, _ := io.ReadAll(keyboard) // it ends with an error when the screen is closed
				shown <- string(text)
			}()
			var said strings.Builder
			app := cli.App{Stdin: strings.NewReader(""), Stdout: screen, Stderr: &said, Getenv: os.Getenv, Environ: os.Environ}
			if code := app.Run(t.Context(), []string{"query", metric, "--url", server.URL}); code != 0 {
				t.Fatalf("code %d: %s", code, said.String())
			}
			screen.Close()
			text := strings.ReplaceAll(<-shown, "\r", "")
			for _, line := range strings.Split(text, "\n") {
				if wide := ui.Width(line); wide > int(columns) && !strings.Contains(line, "123456789012345678901234567890.125") {
					t.Errorf("%d columns instead of %d: %s", wide, columns, line)
				}
			}
			if !strings.Contains(text, zone) || metric == "revenue" && !strings.Contains(text, "sum 123456789012345678901234567890.125  min 1.000  max 2.000") {
				t.Errorf("%s:\n%s", metric, text)
			}
		}
	}
}

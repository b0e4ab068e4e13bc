package clients_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/segmentio/analytics-go/v3"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/local"
	"github.com/streamctl/streamctl/internal/testkit/must"
	"github.com/streamctl/streamctl/internal/testkit/suites/clients"
)

// workplace is a platform behind a front.
type workplace struct {
	t     *testing.T
	dir   string // the data folder
	info  local.Info
	front *clients.Front
	url   string // of the front
	db    *pgx.Conn
}

func start(t *testing.T) *workplace {
	t.Helper()
	return startWith(t, config.Default(config.Development))
}

func startWith(t *testing.T, v config.Variables) *workplace {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	p, err := local.Start(t.Context(), local.Options{
		Variables: v, Dir: dir, Ephemeral: true, Addr: "127.0.0.1:0", DashboardAddr: "127.0.0.1:0",
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	w := &workplace{t: t, dir: dir, info: p.Info(), front: &clients.Front{API: p.Info().API}}
	server := httptest.NewServer(w.front)
	t.Cleanup(server.Close)
	w.url = server.URL
	if w.db, err = pgx.Connect(t.Context(), p.Info().Database); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close(context.WithoutCancel(t.Context())) })
	return w
}

// faults are the faults of a run, each followed by a request without one: libraries
// retry a batch a few times only.
var faults = []clients.Fault{clients.Throttle, clients.None, clients.Fail, clients.None, clients.Lose, clients.None, clients.Repeat}

const count = 50

// once waits until all messages of a run are events, and checks that each is one exactly
// once and has the time at which it was sent.
func (w *workplace) once(prefix string, from time.Time) {
	w.t.Helper()
	w.exactly(prefix, count, from)
}

func (w *workplace) exactly(prefix string, want int, from time.Time) {
	w.t.Helper()
	const query = `SELECT count(*), count(DISTINCT properties->>'messageId'), count(*) FILTER (WHERE timestamp < $2 OR timestamp > now())
		FROM events WHERE properties->'properties'->>'run' = $1 OR properties->>'messageId' LIKE $1 || '-%'`
	var rows, distinct, wrong int
	deadline := time.Now().Add(time.Minute)
	for {
		if err := w.db.QueryRow(w.t.Context(), query, prefix, from.Add(-time.Second)).Scan(&rows, &distinct, &wrong); err != nil {
			w.t.Fatal(err)
		}
		if rows >= want || time.Now().After(deadline) {
			break
		}
		<-time.After(100 * time.Millisecond)
	}
	if rows != want || distinct != want || wrong != 0 {
		w.t.Errorf("%s: %d events of %d messages, want %d; %d have a wrong time", prefix, rows, distinct, want, wrong)
	}
	if posts, left := w.front.Posts(); left > 0 {
		w.t.Errorf("%s: %d requests, %d faults were not used", prefix, posts, left)
	}
}

// snippet returns a snippet of docs/clients.md with the front's address and the key.
func (w *workplace) snippet(name string) string {
	w.t.Helper()
	page, err := os.ReadFile("../../../../docs/clients.md")
	if err != nil {
		w.t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```[a-z]+ " + name + "\n(.*?)```").FindSubmatch(page)
	if m == nil {
		w.t.Fatalf("docs/clients.md has no snippet %s", name)
	}
	const host = "abc123.execute-api.us-east-1.amazonaws.com"
	return strings.NewReplacer("https://"+host, w.url, host, strings.TrimPrefix(w.url, "http://"), "WRITE_KEY", w.info.WriteKey, "'https'", "'http'").Replace(string(m[1]))
}

// inPage returns a snippet for a page that has the library as a global name.
func (w *workplace) inPage(name string) string {
	w.t.Helper()
	return regexp.MustCompile(`(?m)^import .*\n`).ReplaceAllString(w.snippet(name), "")
}

// python runs the snippet, which needs no library, and sends further messages with its
// functions.
func (w *workplace) python() {
	w.t.Helper()
	python := must.Have(w.t, "python3", "scripts/setup installs it")
	w.front.Plan(faults...)
	began := time.Now()
	script := w.snippet("python") + fmt.Sprintf(`
for i in range(0, %[1]d, 5):
    send([track('user%%d' %% (n %% 5), 'Order Completed', run='python', n=n) for n in range(i, i + 5)])
try:
    URL += '/nothing'
    send([track('user', 'Order Completed')])
except urllib.error.HTTPError as error:
    print('sent', error.code)
`, count)
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, python, "-c", script).CombinedOutput()
	if err != nil || string(out) != "sent 404\n" {
		w.t.Errorf("%v\n%s", err, out)
	}
	w.once("python", began)
	if n := w.number("SELECT count(*) FROM events WHERE user_id = 'user123' AND properties->'properties'->>'revenue' = '49.9' AND properties->>'type' = 'track' AND event_type = 'Order Completed'"); n == 0 {
		w.t.Error("the snippet itself sent no event")
	}
}

func (w *workplace) script(name string, values map[string]string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		w.t.Fatal(err)
	}
	out := strings.NewReplacer("COUNT", strconv.Itoa(count), "PREFIX", values["PREFIX"]).Replace(string(text))
	return out
}

func (w *workplace) node(name string, extra string) {
	w.t.Helper()
	node := must.Have(w.t, "clients-node", "scripts/setup installs it")
	w.front.Plan(faults...)
	began := time.Now()
	path := filepath.Join(w.t.TempDir(), name+".js")
	if err := os.WriteFile(path, []byte(w.snippet(name)+extra+w.script(name+".js", map[string]string{"PREFIX": name})), 0o600); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, node, path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "sent") {
		w.t.Errorf("%s: %v\n%s", name, err, out)
	}
	w.once(name, began)
}

func TestServers(t *testing.T) {
	w := start(t)
	t.Run("curl", func(t *testing.T) {
		must.Have(t, "curl", "scripts/setup installs it")
		command := w.snippet("curl")
		if !strings.Contains(command, "$(date") {
			t.Fatal(command)
		}
		command = "now=" + time.Now().UTC().Format(time.RFC3339) + "; date() { echo $now; }; " + command
		for range 2 {
			out, err := exec.CommandContext(t.Context(), "sh", "-c", "set -e; "+command).Output()
			if err != nil || string(out) != `{"success":true}` {
				t.Errorf("%s %v", out, err)
			}
		}
		w.exactly("order", 1, time.Now().Add(-time.Minute))
	})
	t.Run("Node, Segment", func(t *testing.T) { w.in(t).node("node-segment", "") })
	t.Run("Node, RudderStack", func(t *testing.T) { w.in(t).node("node-rudder", "") })
	t.Run("Python", func(t *testing.T) { w.in(t).python() })
	t.Run("Go", func(t *testing.T) { w.in(t).goLibrary() })
}

// TestPastedSnippets runs the snippets for servers as they are.
func TestPastedSnippets(t *testing.T) {
	node := must.Have(t, "clients-node", "scripts/setup installs it")
	w := start(t)
	const sent = "SELECT count(*) FROM events WHERE user_id = 'user123' AND event_type = 'Order Completed'"
	for name, c := range map[string]struct {
		file    string
		command []string
	}{
		"node-segment": {"app.js", []string{node}}, "node-rudder": {"app.js", []string{node}},
		"python": {"app.py", []string{must.Have(t, "python3", "scripts/setup installs it")}}, "go-segment": {"main.go", []string{"go", "run"}}, "curl": {"app.sh", []string{"sh", "-e"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			before := w.number(sent)
			path := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(path, []byte(w.snippet(name)), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if out, err := exec.CommandContext(ctx, c.command[0], append(c.command[1:], path)...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			w.eventually("the event is loaded", func() bool {
				return w.number(sent) == before+1
			})
		})
	}
}

func (w *workplace) in(t *testing.T) *workplace {
	c := *w
	c.t = t
	return &c
}

func (w *workplace) goLibrary() {
	if !strings.Contains(w.snippet("go-segment"), `Endpoint: "`+w.url+clients.Stage+`"`) {
		w.t.Error(w.snippet("go-segment"))
	}
	w.front.Plan(faults...)
	began := time.Now()
	client, err := analytics.NewWithConfig(w.info.WriteKey, analytics.Config{Endpoint: w.url + clients.Stage, BatchSize: 10, Interval: 50 * time.Millisecond, Logger: analytics.StdLogger(log.New(io.Discard, "", 0)), RetryAfter: func(int) time.Duration { return 100 * time.Millisecond }})
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range count {
		err := client.Enqueue(analytics.Track{UserId: fmt.Sprint("user", i%5), Event: "Order Completed", Properties: analytics.NewProperties().Set("run", "go"), Timestamp: time.Now()})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.once("go", began) // a closed client retries nothing
	if err := client.Close(); err != nil {
		w.t.Error(err)
	}
}

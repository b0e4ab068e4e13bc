package localrun_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// TestGivenServers uses a running PostgreSQL and Redis, and leaves them
// running.
func TestGivenServers(t *testing.T) {
	dir := workDir(t)
	server, err := pgserver.Start(t.Context(), pgserver.Options{Dir: filepath.Join(dir, "own"), Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	own := redis.Start(t)
	target := server.URL(pgserver.Superuser, "postgres")
	s := localrun.Spec{Dir: dir, Env: []string{"STREAMCTL_LOCAL_DATABASE_URL=" + target}, Args: []string{"--redis-url", "redis://" + own.Addr}}
	for range 2 { // the second start uses what the first created
		l := program.Start(t, s)
		if sent := <-send(t, dir, "--url", l.API, "--count", "3000", "--seed", "3", "--rate", "1000000", "--start", time.Now().UTC().Add(-time.Hour).Truncate(time.Hour).Format(time.RFC3339)); sent.Accepted != 3000 {
			t.Fatalf("sent %+v", sent)
		}
		l.Settle(t, 3000, patience)
		if err := l.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("nobody", "x")
	if code, said := refused(t, localrun.Spec{Dir: workDir(t), Env: []string{"STREAMCTL_LOCAL_DATABASE_URL=" + u.String()}}); code != 1 || !strings.Contains(said, "--database-url") {
		t.Errorf("code %d: %s", code, said)
	}
}

// TestWatch changes the analytics code while the platform runs: first to code
// that doesn't build, then to another metric.
func TestWatch(t *testing.T) {
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	dir, source := workDir(t), t.TempDir()
	checkout(t, root, source)
	l := program.Start(t, localrun.Spec{Dir: dir, Args: []string{"--watch", "--source", source, "--port", freePort(t)}})
	analyze := filepath.Join(source, "internal", "analyze", "analyze.go")
	text, err := os.ReadFile(analyze)
	if err != nil {
		t.Fatal(err)
	}
	const plain = "func Analyze(event.Event) []Measure { return nil }"
	change := func(body string) {
		t.Helper()
		if err := os.WriteFile(analyze, []byte(strings.Replace(string(text), plain, body, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	change("func Analyze(event.Event) []Measure { return 3 }")
	await(t, func() bool { return strings.Contains(l.Log(), "the previous build keeps running") })
	if sent := <-send(t, dir, "--url", l.API, "--count", "10"); sent.Accepted != 10 {
		t.Fatalf("after code that doesn't build: %+v", sent)
	}
	change(`func Analyze(e event.Event) []Measure { return []Measure{{Name: "watched", By: e.Type}} }`)
	await(t, func() bool { return strings.Count(l.Log(), "ready in") == 2 })
	if sent := <-send(t, dir, "--url", l.API, "--user", "u", "--type", "x", "--retry-for", "20s"); sent.Accepted != 1 {
		t.Fatalf("after the change: %+v", sent)
	}
	await(t, func() bool {
		resp, err := http.Get(l.API + "/metrics/watched")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// checkout copies the files that a build needs.
func checkout(t *testing.T, root, to string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "cp", "-R", filepath.Join(root, "cmd"), filepath.Join(root, "functions"), filepath.Join(root, "internal"),
		filepath.Join(root, "templates"), filepath.Join(root, "docs"), filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum"), filepath.Join(root, "embed.go"), filepath.Join(root, "variables.yaml"), to)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	n, err := daemon.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(n)
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !done() {
		if err := pause.For(ctx, 100*time.Millisecond); err != nil {
			t.Fatal("timed out")
		}
	}
}

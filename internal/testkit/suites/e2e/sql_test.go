package e2e_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// listening is a running `streamctl sql --listen`.
type listening struct {
	URL, Password string
	Port          int
	process       *os.Process
}

// listen starts `streamctl sql --listen` until the test ends.
func (s stack) listen(args ...string) listening {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), s.platform.Streamctl, append([]string{"sql", "--listen=127.0.0.1:0", "-o", "json", "--env", "development"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stderr = s.dir, s.environ, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	l := listening{process: cmd.Process}
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&l); err != nil {
		s.t.Fatalf("start streamctl sql --listen: %v", err)
	}
	s.t.Cleanup(func() { _ = cmd.Wait() }) // the context's end interrupts it
	return l
}

// direct returns a URL of the database itself, for the master user.
func (s stack) direct() string {
	u := url.URL{
		Scheme: "postgresql", User: url.UserPassword("analytics_admin", password), Path: "/analytics", RawQuery: "sslmode=require",
		Host: net.JoinHostPort(s.outputs["DatabaseEndpoint"], s.outputs["DatabasePort"]),
	}
	return u.String()
}

// sqlStack deploys a stack with 40 events.
func sqlStack(t *testing.T) stack {
	t.Helper()
	w := newWorkplace(t, "ArchiverMapping: {WindowSeconds: 1}")
	name := strings.ToLower(strings.TrimPrefix(t.Name(), "Test"))
	w.streamctl("deploy", "--yes", "--env", "development", "--stack-name", name).want(0)
	s := w.deployed(name, "--env", "development", "--stack-name", name)
	for n := range 40 {
		if status, answer := s.send(fmt.Sprintf(`{"userId":"sql%d","eventType":"page_view","properties":{"page":"/%d","n":%d}}`, n%7, n, n)); status != 202 {
			t.Fatal(status, answer)
		}
	}
	conn := s.master()
	eventually(t, "load the events", func(ctx context.Context) error {
		n := 0
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM events").Scan(&n); err != nil || n < 40 {
			return fmt.Errorf("%d events, %w", n, err)
		}
		return nil
	})
	return s
}

// TestSQLClients runs the same statements with each client through the query function
// and directly. The session settings of the two differ only in the time zone's name.
func TestSQLClients(t *testing.T) {
	have(t, "psql", "python3", "java", "sql-node")
	jar := cmp.Or(os.Getenv("STREAMCTL_TEST_JDBC"), "/usr/share/java/postgresql.jar")
	s := sqlStack(t)
	proxy := s.listen("--stack-name", s.name, "--max-parallel", "3")
	folder, err := filepath.Abs("testdata/sql")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "statements.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var statements []string
	if err := json.Unmarshal(text, &statements); err != nil || len(statements) < 30 {
		t.Fatal(len(statements), err)
	}
	python := pythonWithDrivers(t)
	lines := filepath.Join(t.TempDir(), "statements.sql")
	if err := os.WriteFile(lines, []byte(strings.Join(statements, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	jdbc := func(target string) string {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		secret, _ := u.User.Password()
		return "jdbc:postgresql://" + u.Host + "/analytics?sslmode=require&user=analytics_admin&password=" + url.QueryEscape(secret)
	}
	for name, command := range map[string]func(target string) *exec.Cmd{
		"psql": func(target string) *exec.Cmd {
			args := []string{target, "-X", "-q", "-v", "VERBOSITY=sqlstate"}
			for _, statement := range statements {
				args = append(args, "-c", statement)
			}
			return exec.CommandContext(t.Context(), "psql", args...)
		},
		"psycopg2": func(target string) *exec.Cmd {
			return exec.CommandContext(t.Context(), python, filepath.Join(folder, "client.py"), "psycopg2", target, file)
		},
		"psycopg": func(target string) *exec.Cmd {
			return exec.CommandContext(t.Context(), python, filepath.Join(folder, "client.py"), "psycopg", target, file)
		},
		"node": func(target string) *exec.Cmd {
			return exec.CommandContext(t.Context(), "sql-node", filepath.Join(folder, "client.js"), strings.Replace(target, "sslmode=require", "sslmode=no-verify", 1), file)
		},
		"jdbc": func(target string) *exec.Cmd {
			return exec.CommandContext(t.Context(), "java", "-cp", jar, filepath.Join(folder, "Client.java"), jdbc(target), lines)
		},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(target string) string {
				cmd := command(target)
				out, err := cmd.CombinedOutput()
				if err != nil && name != "psql" { // psql's code is that of the last statement
					t.Fatalf("%v\n%s", err, out)
				}
				return string(out)
			}
			through, directly := run(proxy.URL+"?sslmode=require"), run(s.direct())
			if through != directly || len(through) < 1000 {
				a, b := strings.Split(through, "\n"), strings.Split(directly, "\n")
				for i := range min(len(a), len(b)) {
					if a[i] != b[i] {
						t.Errorf("line %d\nthrough the function: %.600s\ndirectly:             %.600s", i+1, a[i], b[i])
						break
					}
				}
				t.Errorf("%d bytes through the function, %d directly", len(through), len(directly))
			}
		})
	}
}

// pythonWithDrivers returns the Python that has psycopg2 and psycopg.
func pythonWithDrivers(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import psycopg2, psycopg").Run() == nil {
			return python
		}
	}
	t.Fatal("psycopg2 and psycopg are missing: run `make setup`")
	return ""
}

// TestSQLCancel cancels a statement with pgx, and one whose client is killed.
func TestSQLCancel(t *testing.T) {
	s := sqlStack(t)
	for _, args := range [][]string{nil, {"--no-stream"}} {
		proxy := s.listen(append([]string{"--stack-name", s.name}, args...)...)
		conn, err := pgx.Connect(t.Context(), proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err = conn.Exec(ctx, "SELECT pg_sleep(300)")
		if err == nil {
			t.Error("pg_sleep ended")
		}
		master, begin := s.master(), time.Now()
		eventually(t, "end the statement", func(ctx context.Context) error {
			n := 0
			if err := master.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' AND usename = 'streamctl_sql'").Scan(&n); err != nil || n > 0 {
				return fmt.Errorf("%d statements run, %w", n, err)
			}
			return nil
		})
		if took := time.Since(begin); took > time.Second {
			t.Errorf("%v: the statement ended after %s", args, took)
		}
		_ = conn.Close(context.WithoutCancel(t.Context()))
	}
}

// TestSQLSizes streams 150 MB with constant memory, and rejects what is too large for
// a streamed and for a whole response.
func TestSQLSizes(t *testing.T) {
	s := sqlStack(t)
	const megabytes = "SELECT repeat(chr(65 + n %% 26), 100000) FROM generate_series(1, %d0) n"
	sql := func(statement string, args ...string) (size int64, memory int64, code int, stderr string) {
		cmd := exec.CommandContext(t.Context(), s.platform.Streamctl, append([]string{"sql", statement, "--env", "development", "--stack-name", s.name, "-o", "csv"}, args...)...)
		cmd.Dir, cmd.Env = s.dir, s.environ
		out, err := cmd.StdoutPipe()
		var failure strings.Builder
		cmd.Stderr = &failure
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		size, err = io.Copy(io.Discard, out)
		if err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // its code is checked
		return size, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10, cmd.ProcessState.ExitCode(), failure.String()
	}
	_, small, code, stderr := sql("SELECT 1")
	if code != 0 {
		t.Fatal(stderr)
	}
	size, memory, code, stderr := sql(fmt.Sprintf(megabytes, 150))
	if code != 0 || size < 150e6 || memory > small+60 {
		t.Errorf("150 MB: code %d, %d bytes, %d MiB beside %d MiB for one row\n%s", code, size, memory, small, stderr)
	}
	t.Logf("150 MB: %d MiB, %d MiB for one row", memory, small)
	if size, _, code, stderr := sql(fmt.Sprintf(megabytes, 195)); code != 1 || size < 180e6 || !strings.Contains(stderr, "54000") || !strings.Contains(stderr, "190.0 MB") {
		t.Errorf("195 MB: code %d, %d bytes\n%s", code, size, stderr)
	}
	if size, _, code, stderr := sql(fmt.Sprintf(megabytes, 4), "--no-stream"); code != 0 || size < 4e6 {
		t.Errorf("4 MB as a whole: code %d, %d bytes\n%s", code, size, stderr)
	}
	if size, _, code, stderr := sql(fmt.Sprintf(megabytes, 5), "--no-stream"); code != 1 || size > 1000 || !strings.Contains(stderr, "54000") {
		t.Errorf("5 MB as a whole: code %d, %d bytes\n%s", code, size, stderr)
	}
}

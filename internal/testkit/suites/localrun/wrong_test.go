package localrun_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// refused runs local, which must fail, and returns its exit code and output.
func refused(t *testing.T, s localrun.Spec) (int, string) {
	t.Helper()
	s.Args = append([]string{"local", "--port", "0", "--dashboard-port", "0"}, s.Args...)
	out, err := program.Command(t.Context(), s).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("it didn't fail: %v\n%s", err, out)
	}
	return exit.ExitCode(), string(out)
}

// TestWrongUse: the errors give reason and remedy, and nothing is left behind.
func TestWrongUse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := port(listener.Addr().String())
	other := workDir(t)
	for name, content := range map[string]string{
		"newer/state.json": `{"format": 99}`, "damaged/state.json": `{"format"`, "strange/notes.txt": "mine",
		"old/state.json": `{"format":1,"database":true}`, "old/postgres/data/PG_VERSION": "9\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(other, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(other, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	data := func(name string) []string { return []string{"--data-dir", filepath.Join(other, name)} }
	for _, tt := range []struct {
		name string
		args []string
		env  []string
		code int
		want []string
	}{
		{"port taken", []string{"--port", taken}, nil, 1, []string{"listen on 127.0.0.1:" + taken, "address already in use", "another port with --port"}},
		{"page's port taken", []string{"--dashboard-port", taken}, nil, 1, []string{"another port with --dashboard-port"}},
		{"folder of a newer version", data("newer"), nil, 1, []string{"made by another version of streamctl (format 99, this version uses 1)", "--reset"}},
		{"damaged folder", data("damaged"), nil, 1, []string{"state.json is damaged", "--reset"}},
		{"folder of something else", data("strange"), nil, 1, []string{"it has no state.json. It contains ", "--data-dir"}},
		{"reset of something else", append(data("strange"), "--reset"), nil, 1, []string{"not a data folder of `streamctl local`"}},
		{"folder of another PostgreSQL", data("old"), nil, 1, []string{"was created by PostgreSQL 9, but this machine has version", "first in the PATH"}},
		{"not a folder", data("file"), nil, 1, []string{"not a directory", "--data-dir"}},
		{"listening for everybody", []string{"--host", "0.0.0.0"}, nil, 2, []string{"--host 0.0.0.0: others could send and read without a key", "--auth iam"}},
		{"unknown auth", []string{"--auth", "basic"}, nil, 2, []string{`--auth "basic": want open or iam`}},
		{"unknown fault", []string{"--fault", "disk=1"}, nil, 2, []string{`--fault "disk=1"`, "throttle, duplicate, pg-down or redis-down"}},
		{"too much fault", []string{"--fault", "throttle=30"}, nil, 2, []string{`--fault "throttle=30"`, "0 to 1"}},
		{"keep nothing, in a folder", []string{"--ephemeral", "--data-dir", other}, nil, 2, []string{"--ephemeral"}},
		{"no such database", []string{"--database-url", "postgres://postgres@127.0.0.1:1/x"}, nil, 1, []string{"--database-url", "connection refused"}},
		{"no such redis", []string{"--redis-url", "redis://127.0.0.1:1"}, nil, 1, []string{"--redis-url", "connection refused"}},
		{"fault of another's server", []string{"--database-url", "postgres://x/y", "--fault", "pg-down=1s"}, nil, 2, []string{"only servers that local starts itself"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, said := refused(t, localrun.Spec{Dir: workDir(t), Env: tt.env, Args: tt.args})
			if code != tt.code {
				t.Errorf("code %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(said, want) {
					t.Errorf("%q is missing:\n%s", want, said)
				}
			}
		})
	}
	if text, err := os.ReadFile(filepath.Join(other, "strange", "notes.txt")); err != nil || string(text) != "mine" {
		t.Errorf("another program's file was changed: %q, %v", text, err)
	}
}

// TestTwoOnOneFolder: the second start fails.
func TestTwoOnOneFolder(t *testing.T) {
	dir := workDir(t)
	program.Start(t, localrun.Spec{Dir: dir})
	if code, said := refused(t, localrun.Spec{Dir: dir}); code != 1 || !strings.Contains(said, "another streamctl process is using it") {
		t.Errorf("code %d: %s", code, said)
	}
}

// TestBrokenLines sends the valid lines of a file and saves the invalid ones.
func TestBrokenLines(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	lines := []string{
		`{"userId": "a", "eventType": "page_view"}`,
		`{"userId": "b", "eventType": `,
		``,
		`{"userId": "", "eventType": "x"}`,
		`{"userId": "c", "eventType": "page_view", "timestamp": "2001-01-01T00:00:00Z"}`,
		`{"userId": "d", "eventType": "page_view", "properties": {"n": 1}}`,
	}
	path := filepath.Join(dir, "events.ndjson")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := program.Command(t.Context(), localrun.Spec{Dir: dir, Args: []string{"send", "events.ndjson", "--url", l.API}}).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"accepted 2 of 5 events from 6 lines", "rejected 3 events, kept in events.ndjson.rejected:\n  events.ndjson:2: not JSON: ", "\n  events.ndjson:4: userId: must have 1 to 255 characters\n",
		"\n  events.ndjson:5: timestamp: ", "3 rejected, 0 got no response",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
	kept, err := os.ReadFile(path + ".rejected")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSpace(string(kept)), "\n"); len(got) != 3 || got[0] != lines[1] || got[1] != lines[3] || !strings.Contains(got[2], "2001-01-01T00:00:00") {
		t.Errorf("kept %q", got)
	}
	l.Settle(t, 2, patience)
}

// TestNobody runs the platform as an ordinary user; the other tests run it as
// the tests' user.
func TestNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("this user is an ordinary one: every other test is about that")
	}
	dir := workDir(t)
	const nobody = 65534
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	l := program.Start(t, localrun.Spec{Dir: dir, UID: nobody, GID: nobody, Env: []string{"HOME=" + dir}})
	if sent := <-send(t, dir, "--url", l.API, "--count", "2000"); sent.Accepted != 2000 {
		t.Fatalf("sent %+v", sent)
	}
	l.Settle(t, 2000, patience)
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
}

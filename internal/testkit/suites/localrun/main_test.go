package localrun_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

var program *localrun.Program

func TestMain(m *testing.M) {
	var err error
	if program, err = localrun.Build(context.Background()); err != nil { // TestMain is main
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := program.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// variables declare a metric, raise the request limits and make the archiver
// write immediately.
const variables = `Metrics: [{Name: revenue, EventType: purchase, Sum: properties.amount, By: [properties.country]}]
ArchiverMapping: {WindowSeconds: 1}
ShardCount: 2
ThrottleRate: 10000
ThrottleBurst: 5000
`

// workDir returns a folder with variables that other users can traverse.
func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "streamctl-localrun-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "variables.yaml"), []byte(variables), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sent is the output of `streamctl send -o json`.
type sent struct {
	Read, Accepted, Refused, Unsent, Retries int
	EventsPerSecond                          float64
	Verified                                 *struct {
		Queryable, Missing  int
		AcceptedToQueryable struct{ P95Milliseconds float64 }
	}
	RejectedFile, UnsentFile string
}

// send starts a sender; the channel delivers its result.
func send(t *testing.T, dir string, args ...string) <-chan sent {
	t.Helper()
	cmd := program.Command(t.Context(), localrun.Spec{Dir: dir, Args: append([]string{"send", "-o", "json"}, args...)})
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	result := make(chan sent, 1)
	go func() {
		defer close(result)
		if err := cmd.Wait(); err != nil {
			t.Errorf("send: %v\n%s%s", err, out.String(), said.String())
		}
		var s sent
		if err := json.Unmarshal([]byte(out.String()), &s); err != nil {
			t.Errorf("send printed %q: %v", out.String(), err)
		}
		result <- s
	}()
	return result
}

const events = 100_000

var count = []string{"--count", strconv.Itoa(events), "--seed", "7"}

// port returns the port in a URL.
func port(url string) string {
	return url[strings.LastIndex(url, ":")+1:]
}

// processOf returns the process id of a child process by name.
func processOf(t *testing.T, name string, parent int) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pgrep", "-P", strconv.Itoa(parent), name).Output()
	if err != nil {
		t.Fatalf("find %s below %d: %v", name, parent, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

const patience = 90 * time.Second

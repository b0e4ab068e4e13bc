// Package measure_test measures what users notice: how long the program and the
// functions take to start and to work, and how large they are. Everything is a
// benchmark, so that no test fails on a busy machine.
package measure_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
)

// runVariable makes this test program run another program instead of tests.
const runVariable = "STREAMCTL_MEASURE_RUN"

var shared = postgres.Shared{Durable: true}

func TestMain(m *testing.M) {
	if os.Getenv(runVariable) == "" {
		os.Exit(shared.Run(m))
	}
	if err := runMeasured(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// usage is the resource usage of one run of a program.
type usage struct {
	Wall time.Duration
	// PeakBytes is the maximum resident memory.
	PeakBytes int64
}

// runMeasured runs a program and writes its usage to standard output.
func runMeasured(args []string) error {
	var said bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = nil, &said
	start := time.Now()
	err := cmd.Run()
	u := usage{Wall: time.Since(start)}
	if err != nil {
		return fmt.Errorf("run %s: %w\n%s", args[0], err, said.String())
	}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.PeakBytes = int64(r.Maxrss) //nolint:unconvert // an int32 on 32-bit machines
		if runtime.GOOS == "linux" {
			u.PeakBytes *= 1024 // macOS reports bytes
		}
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}

// run measures one run of a program. A small separate process starts it: on
// Linux, a program's peak memory is never below that of the process that
// started it.
func run(b *testing.B, dir string, args ...string) usage {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), runVariable+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v\n%s", err, stderr.String())
	}
	var u usage
	if err := json.Unmarshal(out, &u); err != nil {
		b.Fatal(err)
	}
	return u
}

// build compiles a program like a release.
func build(b testing.TB, path, dir, target string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, target)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", target, err, said)
	}
}

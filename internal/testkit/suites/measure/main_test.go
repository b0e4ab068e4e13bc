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
	"slices"
	"strconv"
	"strings"
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
	cmd := exec.CommandContext(b.Context(), "go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", path, target)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build %s: %v\n%s", target, err, said)
	}
}

// figure is a measured value with its target, a maximum or a minimum. Zero
// means no target.
type figure struct {
	name, unit string
	value, aim float64
	atLeast    bool
}

func (f figure) verdict() string {
	word := "at most"
	reached := f.value <= f.aim
	if f.atLeast {
		word, reached = "at least", f.value >= f.aim
	}
	switch {
	case f.aim == 0:
		return ""
	case reached:
		return fmt.Sprintf("aim: %s %.1f  ok", word, f.aim)
	}
	return fmt.Sprintf("aim: %s %.1f  missed", word, f.aim)
}

// report prints figures as lines of a table, and as metrics for tools.
func report(b *testing.B, figures ...figure) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // hidden: no operation is timed
	for _, f := range figures {
		b.ReportMetric(f.value, strings.ReplaceAll(f.name, " ", "-")+"-"+f.unit)
		b.Logf("%-40s %8.2f %-10s %s", f.name, f.value, f.unit, f.verdict())
	}
}

// size returns a benchmark's size: a number from the environment, which the
// Makefile sets so that the figures are reliable, or one that takes seconds.
func size(b *testing.B, variable string, small int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return small
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("%s=%q: want a whole number of at least 1", variable, text)
	}
	return n
}

func median[T time.Duration | float64](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

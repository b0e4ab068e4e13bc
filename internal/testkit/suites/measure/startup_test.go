package measure_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
)

// Limits of the allocations before main, in every command. The tables of endpoints of 17
// AWS clients are 1.4 MB of them.
const (
	maxInitBytes    = 2_200_000
	maxPackageBytes = 120_000
)

// initLine is a line of GODEBUG=inittrace=1.
var initLine = regexp.MustCompile(`(?m)^init (\S+) @.* clock, (\d+) bytes, (\d+) allocs$`)

// TestStartup limits what `streamctl version` allocates before main. Times vary with the
// machine; allocations vary with the program only.
func TestStartup(t *testing.T) {
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "streamctl")
	build(t, program, root, "./cmd/streamctl")
	cmd := exec.CommandContext(t.Context(), program, "version")
	cmd.Env = []string{"GODEBUG=inittrace=1"}
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	lines := initLine.FindAllStringSubmatch(trace.String(), -1)
	if len(lines) < 50 {
		t.Fatalf("%d packages in the trace:\n%s", len(lines), trace.String())
	}
	total := 0
	for _, line := range lines {
		bytes, err := strconv.Atoi(line[2])
		if err != nil {
			t.Fatal(err)
		}
		total += bytes
		if bytes > maxPackageBytes {
			t.Errorf("%s allocates %d bytes before main, want at most %d", line[1], bytes, maxPackageBytes)
		}
	}
	t.Logf("%d packages allocate %d bytes", len(lines), total)
	if total > maxInitBytes {
		t.Errorf("packages allocate %d bytes before main, want at most %d", total, maxInitBytes)
	}
}

// TestProgramLeavesOut checks packages that cost every command time or size.
func TestProgramLeavesOut(t *testing.T) {
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/streamctl")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		switch {
		case pkg == "github.com/aws/aws-lambda-go/lambda":
			t.Errorf("%s: the linker keeps every method: use internal/invocation", pkg)
		case strings.HasPrefix(pkg, "github.com/aws/") && strings.HasSuffix(pkg, "/schemas"):
			t.Errorf("%s builds its schemas in every command: use the newest release without them", pkg)
		case strings.Contains(pkg, "jsonschema"):
			t.Errorf("%s: a schema library took 8 ms of every command", pkg)
		case strings.Contains(pkg, "github.com/spf13/cobra/doc"), strings.Contains(pkg, "go/parser"):
			t.Errorf("%s: only generators and tests use it", pkg)
		}
	}
}

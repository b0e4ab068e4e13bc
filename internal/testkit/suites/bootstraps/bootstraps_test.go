// Package bootstraps_test runs each function's program on every kind of event
// that it handles: first this machine's build, then the released zips.
package bootstraps_test

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/testkit/must"
	"github.com/streamctl/streamctl/internal/testkit/suites/platform"
)

// TestBootstraps runs this machine's builds, then the programs from the zips
// that the stack uses.
func TestBootstraps(t *testing.T) {
	s := deploy(t)
	t.Run("here", s.answer)
	t.Run("shipped", func(t *testing.T) {
		if platform.NeedsEmulator() {
			must.Have(t, platform.Emulator, "install qemu-user-static (Debian's name)")
		}
		s.platform.RunShipped()
		s.answer(t)
		for _, f := range contract.Functions() {
			t.Run("bytes/"+f.Name, func(t *testing.T) { s.ranShipped(t, f.Name) })
		}
	})
}

// answer sends every kind of event to every function. The order matters: the
// other functions use the events that ingest accepted.
func (s stack) answer(t *testing.T) {
	before := map[string]int{}
	for _, f := range contract.Functions() {
		before[f.Name] = s.platform.Fake.Invocations(id(f.Name))
	}
	// Use event types of this run only, so that events of other runs aren't
	// found.
	types := eventTypes(path.Base(t.Name()))
	t.Run("ingest", func(t *testing.T) { s.ingest(t, types) })
	t.Run("archiver", func(t *testing.T) { s.archiver(t, types) })
	t.Run("processor", func(t *testing.T) { s.processor(t, types) })
	t.Run("query", s.query)
	t.Run("schema", s.schema)
	t.Run("maintenance", s.maintenance)
	for _, f := range contract.Functions() {
		if s.platform.Fake.Invocations(id(f.Name)) == before[f.Name] {
			t.Errorf("%s was never invoked", f.Name)
		}
	}
}

// id returns a function's logical id.
func id(function string) string { return strings.ToUpper(function[:1]) + function[1:] + "Function" }

// ranShipped finds the running process of a function, and compares its program
// with the zip that the stack uses.
func (s stack) ranShipped(t *testing.T, function string) {
	code, _ := s.platform.Fake.Properties(stackName, id(function))["Code"].(map[string]any)
	bucket, key := fmt.Sprint(code["S3Bucket"]), fmt.Sprint(code["S3Key"])
	archive, err := s.platform.Fake.Objects().Get(bucket, key)
	if err != nil {
		t.Fatal(err)
	}
	if now := artifact.New(function, archive).Key(); now != key {
		t.Errorf("the stack uses %s, but the content is %s", key, now)
	}
	shipped, err := platform.Unpack(archive)
	if err != nil {
		t.Fatal(err)
	}
	program, err := elf.NewFile(bytes.NewReader(shipped))
	if err != nil || program.Machine != elf.EM_AARCH64 {
		t.Fatalf("the zip does not contain an arm64 program: %v", err)
	}
	running := runningIn(t, filepath.Join(s.dir, "shipped-"+function+"-"))
	if len(running) == 0 {
		t.Fatalf("no process runs %s", function)
	}
	for _, file := range running {
		ran, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(ran, shipped) {
			t.Errorf("%s differs from the released program: %v", file, err)
		}
	}
}

// runningIn returns the programs below a path prefix that are the last argument
// of a process.
func runningIn(t *testing.T, prefix string) []string {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, process := range processes {
		line, err := os.ReadFile(process)
		if err != nil {
			continue // it has ended
		}
		arguments := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		if last := arguments[len(arguments)-1]; strings.HasPrefix(last, prefix) {
			paths = append(paths, last)
		}
	}
	return paths
}

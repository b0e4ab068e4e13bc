package artifact_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/artifact"
)

// tinyModule is a checkout with one function, which needs nothing from outside.
func tinyModule(t *testing.T) string {
	t.Helper()
	modules, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	text := "module " + artifact.Module + "\n"
	for line := range strings.Lines(string(modules)) {
		if strings.HasPrefix(line, "go ") || strings.HasPrefix(line, "toolchain ") {
			text += line
		}
	}
	root := t.TempDir()
	write(t, root, "go.mod", text)
	write(t, root, "go.sum", "")
	write(t, root, "internal/x/x.go", "package x\n\nvar Version = \"1\"\n")
	write(t, root, "functions/tiny/bootstrap/main.go", "package main\n\nimport \""+artifact.Module+"/internal/x\"\n\nvar extra = \"0\"\n\nfunc main() { println(x.Version, extra) }\n")
	return root
}

func write(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// tiny builds the function; built is false if the cache had it.
func tiny(t *testing.T, root string, environ []string) (sum string, built bool) {
	t.Helper()
	b := artifact.Builder{Root: root, OS: "linux", Arch: "arm64", Environ: environ, Cache: filepath.Join(root, ".streamctl", "build"), Warn: func(err error) { t.Error(err) }}
	artifacts, built, err := b.Build(t.Context(), []string{"tiny"})
	if err != nil {
		t.Fatal(err)
	}
	return artifacts[0].SHA256, built
}

// TestDigestIgnoresWhatGoIgnores adds entries that are not source: none fails the build
// or causes a new one.
func TestDigestIgnoresWhatGoIgnores(t *testing.T) {
	root := tinyModule(t)
	first, _ := tiny(t, root, os.Environ())
	dir := filepath.Join(root, "internal", "x")
	err := errors.Join(
		os.Symlink("me@host.1234:1700000000", filepath.Join(dir, ".#x.go")), // the lock of an editor
		os.Symlink(t.TempDir(), filepath.Join(dir, "linked")),
		os.Symlink("nowhere", filepath.Join(dir, "dangling.txt")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	write(t, root, "internal/x/.x.go", "no Go")
	write(t, root, "internal/x/_x.go", "no Go")
	write(t, root, "internal/x/x_test.go", "package x\n")
	write(t, root, "internal/x/_old/x.go", "no Go")
	write(t, root, "internal/x/testdata/x.go", "no Go")
	if sum, built := tiny(t, root, os.Environ()); built || sum != first {
		t.Errorf("built %t, %s instead of %s", built, sum, first)
	}
	if err := os.Rename(filepath.Join(dir, "x.go"), filepath.Join(root, "moved.go")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../moved.go", filepath.Join(dir, "x.go")); err != nil {
		t.Fatal(err)
	}
	write(t, root, "moved.go", "package x\n\nvar Version = \"2\"\n")
	if sum, built := tiny(t, root, os.Environ()); !built || sum == first {
		t.Errorf("a linked source file has changed: built %t, %s", built, sum)
	}
}

// TestStoredGoSettings stores settings with `go env -w`: they change no byte.
func TestStoredGoSettings(t *testing.T) {
	root := tinyModule(t)
	first, _ := tiny(t, root, os.Environ())
	stored := append(os.Environ(), "GOENV="+filepath.Join(t.TempDir(), "env"), "GOFLAGS=")
	cmd := exec.CommandContext(t.Context(), "go", "env", "-w", "GOFLAGS=-ldflags=-X=main.extra=stored", "GOARM64=v9.0", "GOEXPERIMENT=nogreenteagc", "GOFIPS140=latest", "CGO_ENABLED=1")
	cmd.Env, cmd.Dir = stored, t.TempDir()
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := os.RemoveAll(filepath.Join(root, ".streamctl")); err != nil {
		t.Fatal(err)
	}
	if sum, built := tiny(t, root, stored); !built || sum != first {
		t.Errorf("built %t, %s instead of %s", built, sum, first)
	}
}

// TestVendoredCheckoutBuildsOffline builds with modules of the folder vendor, without
// a network and without a module cache. Their content is a part of the digest.
func TestVendoredCheckoutBuildsOffline(t *testing.T) {
	root := tinyModule(t)
	modules, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, root, "go.mod", string(modules)+"\nrequire example.com/y v1.0.0\n")
	write(t, root, "vendor/modules.txt", "# example.com/y v1.0.0\n## explicit\nexample.com/y\n")
	write(t, root, "vendor/example.com/y/y.go", "package y\n\nvar Y = \"1\"\n")
	write(t, root, "internal/x/x.go", "package x\n\nimport \"example.com/y\"\n\nvar Version = y.Y\n")
	offline := append(os.Environ(), "GOPROXY=off", "GOMODCACHE="+t.TempDir(), "GOFLAGS=")
	first, _ := tiny(t, root, offline)
	write(t, root, "vendor/example.com/y/y.go", "package y\n\nvar Y = \"2\"\n")
	if sum, built := tiny(t, root, offline); !built || sum == first {
		t.Errorf("a vendored module has changed: built %t, %s", built, sum)
	}
	if _, built := tiny(t, root, offline); built {
		t.Error("the same source is built twice")
	}
}

// TestCacheNeverFailsABuild has caches that can't be written or read.
func TestCacheNeverFailsABuild(t *testing.T) {
	for name, breakIt := range map[string]func(root string) error{
		"a file instead of the folder": func(root string) error { return os.WriteFile(filepath.Join(root, ".streamctl"), nil, 0o600) },
		"a link to nothing":            func(root string) error { return os.Symlink("nowhere/at/all", filepath.Join(root, ".streamctl")) },
	} {
		t.Run(name, func(t *testing.T) {
			root := tinyModule(t)
			if err := breakIt(root); err != nil {
				t.Fatal(err)
			}
			var warnings []string
			b := artifact.Builder{Root: root, OS: "linux", Arch: "arm64", Environ: os.Environ(), Cache: filepath.Join(root, ".streamctl", "build"),
				Warn: func(err error) { warnings = append(warnings, err.Error()) }}
			artifacts, built, err := b.Build(t.Context(), []string{"tiny"})
			if err != nil || !built || len(artifacts) != 1 || len(warnings) != 1 || !strings.Contains(warnings[0], "the build isn't cached: ") {
				t.Errorf("%v, built %t, %q", err, built, warnings)
			}
		})
	}
}

// TestTwoBuildsInOneCheckout runs several at the same time; manifests too.
func TestTwoBuildsInOneCheckout(t *testing.T) {
	root := tinyModule(t)
	sums := make([]string, 4)
	var group sync.WaitGroup
	for i := range sums {
		group.Go(func() {
			b := artifact.Builder{Root: root, OS: "linux", Arch: "arm64", Environ: os.Environ(), Cache: filepath.Join(root, ".streamctl", "build"), Warn: func(err error) { t.Error(err) }}
			artifacts, _, err := b.Build(t.Context(), []string{"tiny"})
			if err != nil {
				t.Error(err)
				return
			}
			sums[i] = artifacts[0].SHA256
			for range 50 {
				if err := artifact.NewManifest(artifacts).Write(filepath.Join(root, ".streamctl", "artifacts.json")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	for _, sum := range sums {
		if sum != sums[0] {
			t.Errorf("%q", sums)
		}
	}
	names, err := filepath.Glob(filepath.Join(root, ".streamctl", "*"))
	if err != nil || len(names) != 2 {
		t.Errorf("%q, %v", names, err)
	}
}

// TestLeftoversOfAKilledBuild are removed by the next one, and what another build is
// writing now stays.
func TestLeftoversOfAKilledBuild(t *testing.T) {
	root := tinyModule(t)
	cache := filepath.Join(root, ".streamctl", "build")
	for _, name := range []string{"new-1", "new-2", "scratch-1", "scratch-2"} {
		write(t, cache, name+"/tiny", "half a program")
		if old := time.Now().Add(-2 * time.Hour); strings.HasSuffix(name, "1") {
			if err := os.Chtimes(filepath.Join(cache, name), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	tiny(t, root, os.Environ())
	for name, want := range map[string]bool{"new-1": false, "scratch-1": false, "new-2": true, "scratch-2": true} {
		if _, err := os.Stat(filepath.Join(cache, name)); errors.Is(err, fs.ErrNotExist) == want {
			t.Errorf("%s: %v", name, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(cache, "scratch-*"))
	if err != nil || len(left) != 1 {
		t.Errorf("%q, %v", left, err)
	}
	path := filepath.Join(root, ".streamctl", "artifacts.json")
	write(t, root, ".streamctl/artifacts.json.1.next", "half")
	old := time.Now().Add(-2 * time.Hour)
	if err := errors.Join(os.Chtimes(path+".1.next", old, old), artifact.NewManifest(nil).Write(path)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".1.next"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || !bytes.Contains(text, []byte(`"version": 1`)) {
		t.Errorf("%s, %v", text, err)
	}
}

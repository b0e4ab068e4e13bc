package artifact_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/contract"
)

// TestCache builds the same source once; a changed source, a damaged zip and
// another target are built.
func TestCache(t *testing.T) {
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	source, cache := t.TempDir(), t.TempDir()
	copySource(t, root, source)
	build := func(arch string, wantBuilt bool) string {
		t.Helper()
		b := artifact.Builder{Root: source, OS: "linux", Arch: arch, Environ: os.Environ(), Cache: cache}
		artifacts, built, err := b.Build(t.Context(), []string{contract.FuncArchiver})
		if err != nil || len(artifacts) != 1 {
			t.Fatal(err)
		}
		if built != wantBuilt {
			t.Errorf("built %v, want %v", built, wantBuilt)
		}
		return artifacts[0].SHA256
	}
	first := build("arm64", true)
	if second := build("arm64", false); second != first {
		t.Errorf("the cache gives %s, want %s", second, first)
	}
	build("amd64", true)

	zips, err := filepath.Glob(filepath.Join(cache, "*", "archiver.zip"))
	if err != nil || len(zips) != 2 {
		t.Fatalf("%v, %v", zips, err)
	}
	for _, zip := range zips {
		if err := os.WriteFile(zip, []byte("damaged"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if again := build("arm64", true); again != first {
		t.Errorf("built again it is %s, want %s", again, first)
	}
	damagedZip(t, artifact.Builder{Root: source, OS: "linux", Arch: "arm64", Environ: os.Environ(), Cache: cache})
	build("arm64", true)

	path := filepath.Join(source, "functions", "archiver", "archiver.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, "\nvar _ = 0\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	build("arm64", true)
	build("arm64", false)
}

// damagedZip flips a bit of a cached zip: the digest is noticed when the zip is used, and
// the build is gone then.
func damagedZip(t *testing.T, b artifact.Builder) {
	t.Helper()
	artifacts, built, err := b.Build(t.Context(), []string{contract.FuncArchiver})
	if err != nil || built {
		t.Fatal(built, err)
	}
	good, err := artifacts[0].Zip()
	if err != nil || len(good) != artifacts[0].Size {
		t.Fatalf("a zip of %d bytes, want %d: %v", len(good), artifacts[0].Size, err)
	}
	zips, err := filepath.Glob(filepath.Join(b.Cache, "*", "archiver.zip"))
	if err != nil {
		t.Fatal(err)
	}
	for _, zip := range zips {
		text, err := os.ReadFile(zip)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/2] ^= 1
		if err := os.WriteFile(zip, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := artifacts[0].Zip(); err == nil || !strings.Contains(err.Error(), "is damaged; run the command again") {
		t.Errorf("a damaged zip: %v", err)
	}
}

package artifact_test

import (
	"os"
	"path/filepath"
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

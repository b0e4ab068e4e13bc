package artifact_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/contract"
)

func TestPack(t *testing.T) {
	program := bytes.Repeat([]byte("program"), 10_000)
	first, err := artifact.Pack(program)
	if err != nil {
		t.Fatal(err)
	}
	second, err := artifact.Pack(program)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Error("two packs of one program differ")
	}
	r, err := zip.NewReader(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.File) != 1 || r.File[0].Name != "bootstrap" || r.File[0].Mode() != 0o755 || r.File[0].Modified.UTC().Year() != 1980 {
		t.Errorf("got %+v", r.File[0].FileHeader)
	}
	f, err := r.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, program) {
		t.Errorf("unpacked %d bytes: %v", len(got), err)
	}
}

func TestKeyNamesTheContent(t *testing.T) {
	a, b := artifact.New("ingest", []byte("a")), artifact.New("ingest", []byte("b"))
	if a.Key() == b.Key() || !strings.HasPrefix(a.Key(), "functions/ingest/") || !strings.HasSuffix(a.Key(), ".zip") {
		t.Errorf("got %s and %s", a.Key(), b.Key())
	}
}

// TestReproducible builds a function here and from a copy of the source in
// another folder, with noise in the environment: the zips are the same.
func TestReproducible(t *testing.T) {
	root, err := artifact.FindSource(".")
	if err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	copySource(t, root, other)
	noise := append(os.Environ(), "GOFLAGS=-ldflags=-X=main.x=y", "CGO_ENABLED=1", "GOARCH=386")
	build := func(root string, environ []string) artifact.Artifact {
		t.Helper()
		built, _, err := artifact.Builder{Root: root, OS: "linux", Arch: "arm64", Environ: environ}.Build(t.Context(), []string{contract.FuncArchiver})
		if err != nil {
			t.Fatal(err)
		}
		return built[0]
	}
	first, second := build(root, os.Environ()), build(other, noise)
	if first.SHA256 != second.SHA256 {
		t.Errorf("the same source gives %s and %s", first.SHA256, second.SHA256)
	}
}

func copySource(t *testing.T, from, to string) {
	t.Helper()
	for _, part := range []string{"go.mod", "go.sum", "functions", "internal", "templates"} {
		err := filepath.WalkDir(filepath.Join(from, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !d.Type().IsRegular() {
				return err
			}
			relative, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, relative)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, content, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestBuildSaysWhatIsWrong(t *testing.T) {
	root := t.TempDir()
	files := map[string]string{
		"go.mod":                           "module " + artifact.Module + "\n\ngo 1.26\n\ntoolchain go1.26.8\n",
		"functions/broken/bootstrap/m.go":  "package main\n\nfunc main() { undefined() }\n",
		"functions/working/bootstrap/m.go": "package main\n\nfunc main() {}\n",
	}
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	builder := artifact.Builder{Root: root, OS: "linux", Arch: "arm64", Environ: os.Environ()}
	_, _, err := builder.Build(t.Context(), []string{"working", "broken"})
	if err == nil || !strings.Contains(err.Error(), "build broken") || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("got %v", err)
	}
	found, err := artifact.FindSource(filepath.Join(root, "functions", "broken"))
	if err != nil || found == "" {
		t.Errorf("find source from inside: %q, %v", found, err)
	}
	if _, err := artifact.FindSource(t.TempDir()); !errors.Is(err, artifact.ErrNoSource) {
		t.Errorf("find source outside a checkout: %v", err)
	}
}

func TestManifest(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".streamctl", "artifacts.json")
	if m, err := artifact.ReadManifest(path); err != nil || len(m.Keys()) != 0 {
		t.Fatalf("before the first: %v, %v", m, err)
	}
	a := artifact.New("ingest", []byte("zip"))
	if err := artifact.NewManifest([]artifact.Artifact{a}).Write(path); err != nil {
		t.Fatal(err)
	}
	m, err := artifact.ReadManifest(path)
	if err != nil || m.Keys()["ingest"] != a.Key() {
		t.Errorf("got %v, %v", m, err)
	}
	for _, broken := range []string{"{", `{"version":2}`} {
		if err := os.WriteFile(path, []byte(broken), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := artifact.ReadManifest(path); err == nil || !strings.Contains(err.Error(), "streamctl package") {
			t.Errorf("%s: %v", broken, err)
		}
	}
}

package logfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/local/logfile"
)

func open(t *testing.T, dir string) *logfile.File {
	t.Helper()
	f, err := logfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func reader(t *testing.T, dir string) func() []string {
	t.Helper()
	r := logfile.NewReader(dir)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return func() (lines []string) {
		t.Helper()
		if err := r.Read(func(line string) error { lines = append(lines, line); return nil }); err != nil {
			t.Fatal(err)
		}
		return lines
	}
}

func write(t *testing.T, f *logfile.File, text string) {
	t.Helper()
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// TestRotation writes 40 MB and reads them meanwhile: no line is missing, and the files
// stay small.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	next := reader(t, dir)
	if lines := next(); lines != nil {
		t.Errorf("without a log: %q", lines)
	}
	f := open(t, dir)
	fill := strings.Repeat("x", 1<<16)
	seen := 0
	for i := range 640 {
		write(t, f, fmt.Sprintf("%d %s\n", i, fill))
		if i%100 != 99 {
			continue
		}
		for _, line := range next() {
			if number, _, _ := strings.Cut(line, " "); number != fmt.Sprint(seen) {
				t.Fatalf("line %s, want %d", number, seen)
			}
			seen++
		}
	}
	if seen != 600 || len(next()) != 40 {
		t.Errorf("%d lines", seen)
	}
	for _, name := range []string{logfile.Name, logfile.Earlier} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() > 8<<20 || info.Size() < 1<<16 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if all := reader(t, dir)(); len(all) < 129 || !strings.HasPrefix(all[len(all)-1], "639 ") {
		t.Errorf("%d lines remain", len(all))
	}
	for i := range 400 { // more than both files hold, between two reads
		write(t, f, fmt.Sprintf("%d %s\n", 640+i, fill))
	}
	if rest := next(); len(rest) < 129 || !strings.HasPrefix(rest[len(rest)-1], "1039 ") {
		t.Errorf("after two rotations: %d lines", len(rest))
	}
}

// TestInterruptedWrite completes a line that a crash cut off.
func TestInterruptedWrite(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, logfile.Name), []byte("one\ntw"), 0o644); err != nil { //nolint:gosec // Open corrects the mode
		t.Fatal(err)
	}
	next := reader(t, dir)
	if lines := next(); !slices.Equal(lines, []string{"one"}) {
		t.Errorf("%q", lines)
	}
	f := open(t, dir)
	write(t, f, "three\n")
	if lines := next(); !slices.Equal(lines, []string{"tw", "three"}) {
		t.Errorf("%q", lines)
	}
	if info, err := os.Stat(filepath.Join(dir, logfile.Name)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	write(t, f, strings.Repeat("y", 3<<20)+"\n")
	if lines := next(); len(lines) < 2 || len(strings.Join(lines, "")) != 3<<20 {
		t.Errorf("a long line: %d parts", len(lines))
	}
	stop := errors.New("stop")
	r := logfile.NewReader(dir)
	defer r.Close()
	if err := r.Read(func(string) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// TestLinks follows no link, neither for writing nor for reading.
func TestLinks(t *testing.T) {
	for _, name := range []string{logfile.Name, logfile.Earlier} {
		dir, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
		if err := os.WriteFile(target, []byte("secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := logfile.Open(dir); name == logfile.Name && err == nil {
			t.Error("opened a link for writing")
		}
		r := logfile.NewReader(dir)
		if err := r.Read(func(string) error { return nil }); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("read a link: %v", err)
		}
	}
}

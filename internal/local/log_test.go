package local

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/streamctl/streamctl/internal/local/logfile"
)

type full struct{ writes int }

func (f *full) Write([]byte) (int, error) {
	f.writes++
	return 0, errors.New("disk full")
}

// TestLogInDataFolder: the terminal shows warnings, and the file has every line. A file
// that can't be written is reported once.
func TestLogInDataFolder(t *testing.T) {
	var shown bytes.Buffer
	p := &Platform{o: Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(&shown, &slog.HandlerOptions{Level: slog.LevelWarn}))}}
	if err := p.keepLog(); err != nil {
		t.Fatal(err)
	}
	log := p.o.Log.With("function", "ingest")
	log.DebugContext(t.Context(), "hidden")
	log.InfoContext(t.Context(), "quiet")
	log.WarnContext(t.Context(), "loud")
	if err := p.logged.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(p.o.Dir, logfile.Name))
	if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); err != nil || len(lines) != 2 || !strings.Contains(lines[0], `"msg":"quiet","function":"ingest"`) || !strings.Contains(lines[1], `"msg":"loud"`) {
		t.Errorf("%s %v", text, err)
	}
	if out := shown.String(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "msg=loud function=ingest") {
		t.Errorf("shown: %s", out)
	}
	shown.Reset()
	var disk full
	log = slog.New(both{slog.NewTextHandler(&shown, nil), slog.NewJSONHandler(&disk, nil), &atomic.Bool{}})
	log.InfoContext(t.Context(), "one")
	log.WithGroup("g").InfoContext(t.Context(), "two", "a", 1)
	if out := shown.String(); disk.writes != 2 || strings.Count(out, "disk full") != 1 || !strings.Contains(out, "msg=one") || !strings.Contains(out, "msg=two g.a=1") {
		t.Errorf("%d writes, shown: %s", disk.writes, out)
	}
}

func TestOpenLog(t *testing.T) {
	dir := t.TempDir()
	var folder *FolderError
	if _, err := OpenLog(dir); !errors.As(err, &folder) {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLog(dir); !errors.As(err, &folder) {
		t.Errorf("a foreign folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, markerFile), []byte(marker), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := OpenLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Read(func(line string) error { return errors.New(line) }); err != nil {
		t.Errorf("without a log: %v", err)
	}
}

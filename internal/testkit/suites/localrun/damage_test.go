package localrun_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/local/durable"
	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// lastSegment returns the newest file of the only shard with records.
func lastSegment(t *testing.T, dataDir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir, "stream", "shardId-*", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for _, f := range files {
		if info, err := os.Stat(f); err != nil {
			t.Fatal(err)
		} else if info.Size() > 1000 {
			found = f
		}
	}
	if found == "" {
		t.Fatalf("no segment with records: %q", files)
	}
	return found
}

// flip flips a bit in the middle of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 4
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// handled reports whether a mapping's saved checkpoints reach record n of a
// shard.
func handled(t *testing.T, dataDir, mapping string, n int) bool {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dataDir, "checkpoints", mapping+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	var saved struct {
		Shards map[string]string `json:"shards"`
	}
	if err == nil {
		_, err = durable.Unseal(content, &saved)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, sequence := range saved.Shards {
		if strings.HasSuffix(sequence, fmt.Sprintf("%012d", n)) {
			return true
		}
	}
	return false
}

// TestBitFlippedInTheStream flips a bit in a record of the last segment after a
// crash. If the record was loaded, the platform starts and loses no later
// event. If it was not handled, the start fails with file and number; when the
// damage is accepted, all other events are loaded.
func TestBitFlippedInTheStream(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	sendOne := func(from, n int) {
		t.Helper()
		for i := range n {
			if s := <-send(t, dir, "--url", l.API, "--user", "u", "--type", "x", "--properties", fmt.Sprintf(`{"n": %d}`, from+i)); s.Accepted != 1 {
				t.Fatalf("sent %+v", s)
			}
		}
	}
	sendOne(0, 20)
	l.Settle(t, 20, patience)
	data := filepath.Join(dir, ".streamctl", "local")
	// Checkpoints are saved shortly after the stores have the records.
	for _, mapping := range []string{"processor", "archiver"} {
		await(t, func() bool { return handled(t, data, mapping, 20) })
	}
	if err := l.Kill(); err != nil {
		t.Fatal(err)
	}
	flip(t, lastSegment(t, data))
	l = program.Start(t, localrun.Spec{Dir: dir})
	sendOne(20, 5)
	l.Settle(t, 25, patience)
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	// Without checkpoints no event counts as handled.
	if err := os.RemoveAll(filepath.Join(data, "checkpoints")); err != nil {
		t.Fatal(err)
	}
	flip(t, lastSegment(t, data))
	code, said := refused(t, localrun.Spec{Dir: dir})
	for _, want := range []string{"the event stream is damaged", ".log: is damaged at byte", "can't be read", "--accept-damage"} {
		if code != 1 || !strings.Contains(said, want) {
			t.Errorf("code %d, %q is missing:\n%s", code, want, said)
		}
	}
	l = program.Start(t, localrun.Spec{Dir: dir, Args: []string{"--accept-damage"}})
	sendOne(25, 5)
	if h := healthOf(t, l); *h.Missing == 0 {
		t.Error("the dashboard shows no missing record")
	}
	await(t, func() bool { h := healthOf(t, l); return *h.Waiting == 0 })
	if reports, err := filepath.Glob(filepath.Join(data, "damage-*.json")); err != nil || len(reports) != 1 {
		t.Errorf("reports %q, %v", reports, err)
	}
	if err := l.Stop(); err != nil {
		t.Fatal(err)
	}
	// The missing records had been loaded before; archived events remain
	// archived.
	l = program.Start(t, localrun.Spec{Dir: dir})
	l.Settle(t, 30, patience)
}

// TestDamagedCheckpoints starts again with the oldest record: no event is
// counted twice.
func TestDamagedCheckpoints(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	if s := <-send(t, dir, "--url", l.API, "--count", "500"); s.Accepted != 500 {
		t.Fatalf("sent %+v", s)
	}
	l.Settle(t, 500, patience)
	names := []string{"processor.json", "archiver.json"}
	path := func(name string) string { return filepath.Join(dir, ".streamctl", "local", "checkpoints", name) }
	for _, name := range names {
		await(t, func() bool { _, err := os.Stat(path(name)); return err == nil })
	}
	if err := l.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := path(name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content[:len(content)/2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l = program.Start(t, localrun.Spec{Dir: dir})
	if log := l.Log(); strings.Count(log, "resumes at the oldest record") != 2 {
		t.Errorf("the log doesn't mention the files:\n%s", log)
	}
	await(t, func() bool { h := healthOf(t, l); return *h.Waiting == 0 })
	l.Settle(t, 500, patience)
}

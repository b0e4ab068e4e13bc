package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/streamctl/streamctl/internal/artifact"
)

// TestRollback fails an update after its migration ran. Everything is rolled
// back except the schema, which only grows: the previous loader works with it.
func TestRollback(t *testing.T) {
	w := newWorkplace(t, "StackName: back")
	w.streamctl("deploy", "--env", "development").want(0)
	s := w.deployed("back", "--env", "development")
	s.exercise()
	before := s.platform.Fake.Properties("back", "ProcessorFunction")["MemorySize"]

	next := w.nextVersion(`ALTER TABLE events ADD COLUMN channel text NOT NULL DEFAULT 'web';
CREATE TABLE channels (name text PRIMARY KEY);`)
	w.set("StackName: back\nFunctions: {processor: {MemorySize: 1024}}")
	w.platform.Fake.FailResource("back/ProcessorFunction", "no such memory")
	w.run(w.platform.Streamctl, "deploy", "--env", "development", "--source", next).want(5).says("no such memory").says("UPDATE_ROLLBACK_COMPLETE")
	var column string
	err := s.master().QueryRow(t.Context(), "SELECT column_name FROM information_schema.columns WHERE table_name = 'events' AND column_name = 'channel'").Scan(&column)
	if err != nil {
		t.Fatalf("the migration of the update that failed didn't run: %v", err)
	}
	if after := s.platform.Fake.Properties("back", "ProcessorFunction")["MemorySize"]; after != before {
		t.Errorf("the processor has %v MiB, want %v", after, before)
	}
	if err := w.platform.Fake.Fire(t.Context(), "UpkeepSchedule"); err != nil { // create days with the newer table's columns
		t.Error(err)
	}
	s.exercise()

	// After the fault is fixed, the same update succeeds.
	w.run(w.platform.Streamctl, "deploy", "--env", "development", "--source", next).want(0).says("Updated stack back.")
	s.exercise()

	// A released migration was changed: the function's log lines give the
	// reason.
	w.run(w.platform.Streamctl, "deploy", "--env", "development", "--source", w.nextVersion("ALTER TABLE nowhere ADD COLUMN x int;")).
		want(5).says("Custom::").says("| ERROR schema not migrated: ").says("a released migration must not change")
	// Only the code, in both directions, without a template.
	w.streamctl("deploy", "--env", "development", "--code").want(0).says("Updating the parameters of stack back")
	w.run(w.platform.Streamctl, "deploy", "--env", "development", "--code", "--source", next).want(0).says("Updated stack back.")
	w.run(w.platform.Streamctl, "deploy", "--env", "development", "--code", "--source", next).want(0).says("No change")
	s.exercise()
	w.streamctl("destroy", "--env", "development", "--yes").want(0)
}

// nextVersion returns a checkout with an additional migration.
func (w *workplace) nextVersion(migration string) string {
	w.t.Helper()
	root := w.t.TempDir()
	for _, part := range []string{"functions", "internal", "templates"} {
		if err := os.CopyFS(filepath.Join(root, part), os.DirFS(filepath.Join(w.platform.Root, part))); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, file := range []string{"go.mod", "go.sum", "embed.go", "variables.yaml"} {
		text, err := os.ReadFile(filepath.Join(w.platform.Root, file))
		if err == nil {
			err = os.WriteFile(filepath.Join(root, file), text, 0o644)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	folder := filepath.Join(root, "internal", "warehouse", "migrations")
	known, err := os.ReadDir(folder)
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(folder, fmt.Sprintf("%04d_next.sql", len(known)+1))
	if err := os.WriteFile(path, []byte(migration), 0o644); err != nil {
		w.t.Fatal(err)
	}
	// The platform must know the source of this code before it runs.
	other := filepath.Join(root, "variables.yaml")
	w.run(w.platform.Streamctl, "package", "--no-upload", "--variables", other, "--source", root).want(0)
	m, err := artifact.ReadManifest(filepath.Join(root, ".streamctl", "artifacts.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.platform.BuildFrom(root, slices.Collect(maps.Values(m.Keys()))...))
	return root
}

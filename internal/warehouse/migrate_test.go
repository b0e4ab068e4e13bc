package warehouse

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestMigrationsAreNumbered(t *testing.T) {
	all, err := migrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range all {
		if m.version != i+1 || len(m.checksum) != 64 || m.sql == "" {
			t.Errorf("migration %d is %+v", i, m)
		}
	}
	for _, old := range corrected {
		if !slices.ContainsFunc(all, func(m migration) bool { return m.checksum == old }) {
			t.Errorf("no migration has the text that replaces %s", old)
		}
	}
	gap := fstest.MapFS{"migrations/0001_a.sql": {}, "migrations/0003_b.sql": {}}
	if _, err := migrations(gap); err == nil || !strings.Contains(err.Error(), "0003_b: want number 2") {
		t.Errorf("with a gap: %v", err)
	}
}

package warehouse

import (
	"context"
	"io/fs"
	"testing"
	"time"
)

// MigrateFrom applies the migrations in files instead of the embedded ones.
func (d *DB) MigrateFrom(ctx context.Context, files fs.FS) (int, error) { return d.migrate(ctx, files) }

// MigrationFiles returns the embedded migrations.
func MigrationFiles() fs.FS { return migrationFiles }

// IsolateFast shortens the timeouts for isolating slow rows.
func (d *DB) IsolateFast() {
	d.pace = pace{row: 40 * time.Millisecond, perRow: 2 * time.Millisecond, group: 200 * time.Millisecond, lock: 20 * time.Millisecond, budget: 20 * time.Second}
}

// CreatedBy returns the kind, the name and the table or arguments of the objects that a
// migration creates, by description.
func CreatedBy(t *testing.T, version int) map[string][3]string {
	t.Helper()
	all, err := migrations(migrationFiles)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][3]string{}
	for _, c := range all[version-1].creates() {
		text := c.kind + " " + c.name
		switch c.kind {
		case "function":
			text += "(" + c.on + ")"
		case "column", "trigger":
			text = c.kind + " " + c.on + "." + c.name
		}
		out[text] = [3]string{c.kind, c.name, c.on}
	}
	return out
}

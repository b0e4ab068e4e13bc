package warehouse

import (
	"context"
	"io/fs"
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

package warehouse

import (
	"context"
	"io/fs"
	"time"
)

// MigrateFrom runs other migrations than the embedded ones.
func (d *DB) MigrateFrom(ctx context.Context, files fs.FS) (int, error) { return d.migrate(ctx, files) }

// MigrationFiles are the embedded ones.
func MigrationFiles() fs.FS { return migrationFiles }

// IsolateFast shortens the timeouts with which slow rows are isolated.
func (d *DB) IsolateFast() {
	d.pace = pace{row: 40 * time.Millisecond, perRow: 2 * time.Millisecond, group: 200 * time.Millisecond, lock: 20 * time.Millisecond, budget: 20 * time.Second}
}

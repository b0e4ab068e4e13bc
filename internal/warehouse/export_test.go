package warehouse

import (
	"context"
	"io/fs"
)

// MigrateFrom runs other migrations than the embedded ones.
func (d *DB) MigrateFrom(ctx context.Context, files fs.FS) (int, error) { return d.migrate(ctx, files) }

// MigrationFiles are the embedded ones.
func MigrationFiles() fs.FS { return migrationFiles }

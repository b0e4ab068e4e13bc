package warehouse

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Advisory locks. The first number is the project's, the second identifies the
// lock.
const (
	lockSpace     = 7_370_421
	lockMigration = 1
	lockLoad      = 2
	// lockDimension is the first number of the locks per metric.
	lockDimension = lockSpace + 1
)

type migration struct {
	version  int
	name     string
	checksum string
	sql      string
}

// migrations reads the files in order. They are numbered 1, 2, 3, ….
func migrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	slices.Sort(names)
	var all []migration
	for _, path := range names {
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, "migrations/"), ".sql")
		number, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(all)+1 {
			return nil, fmt.Errorf("read migration %s: want number %d", name, len(all)+1)
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{version: version, name: name, checksum: hex.EncodeToString(sum[:]), sql: string(text)})
	}
	return all, nil
}

// Migrate applies the missing migrations and returns the schema's version. It
// leaves a newer schema unchanged, because older code must work with it after a
// rollback. It is an error if an applied migration's text has changed.
func (d *DB) Migrate(ctx context.Context) (version int, err error) {
	return d.migrate(ctx, migrationFiles)
}

func (d *DB) migrate(ctx context.Context, files fs.FS) (version int, err error) {
	known, err := migrations(files)
	if err != nil {
		return 0, err
	}
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		// This lock belongs to the session and spans the transactions; closing
		// the session releases it.
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1::int, $2::int)", lockSpace, lockMigration); err != nil {
			return fmt.Errorf("lock migrations: %w", err)
		}
		// A migration may take longer than the role's statement_timeout; ctx
		// limits it.
		if _, err := conn.Exec(ctx, "SET statement_timeout = 0"); err != nil {
			return fmt.Errorf("lift timeout: %w", err)
		}
		version, err = apply(ctx, conn, known)
		_, unlockErr := conn.Exec(ctx, "SELECT pg_advisory_unlock($1::int, $2::int)", lockSpace, lockMigration)
		_, resetErr := conn.Exec(ctx, "RESET statement_timeout") // to the value pinned for the session
		return errors.Join(err, unlockErr, resetErr)
	})
	return version, err
}

func apply(ctx context.Context, conn *pgx.Conn, known []migration) (version int, err error) {
	applied, err := appliedMigrations(ctx, conn)
	if err != nil {
		return 0, err
	}
	for i, m := range known {
		if i < len(applied) {
			if applied[i] != m.checksum {
				return 0, fmt.Errorf("check migration %s: its text differs from the applied migration; a released migration must not change", m.name)
			}
			continue
		}
		if err := applyOne(ctx, conn, m); err != nil {
			return 0, fmt.Errorf("apply migration %s: %w", m.name, err)
		}
	}
	return max(len(applied), len(known)), nil
}

// appliedMigrations returns the checksums by version, starting with 1.
func appliedMigrations(ctx context.Context, conn *pgx.Conn) (checksums []string, err error) {
	err = asTables(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS public.schema_migration (
			version    integer PRIMARY KEY,
			name       text NOT NULL,
			checksum   text NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now()
		)`)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT checksum FROM public.schema_migration ORDER BY version")
		if err != nil {
			return err
		}
		checksums, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	return checksums, nil
}

// SchemaVersion returns the number of the newest applied migration.
func (d *DB) SchemaVersion(ctx context.Context) (version int, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			return tx.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM public.schema_migration").Scan(&version)
		})
	})
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

func applyOne(ctx context.Context, conn *pgx.Conn, m migration) error {
	return asTables(ctx, conn, func(tx pgx.Tx) error {
		// The simple protocol accepts several statements.
		if _, err := tx.Conn().PgConn().Exec(ctx, m.sql).ReadAll(); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO public.schema_migration (version, name, checksum) VALUES ($1, $2, $3)", m.version, m.name, m.checksum)
		return err
	})
}

// asTables runs work in a transaction as the role that owns the objects.
func asTables(ctx context.Context, conn *pgx.Conn, work func(pgx.Tx) error) error {
	return transact(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL ROLE streamctl_tables"); err != nil {
			return err
		}
		return work(tx)
	})
}

package warehouse

import (
	"cmp"
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
// lock. SQL users can't hold lockRoles: it is taken only before their role exists.
const (
	lockSpace = 7_370_421
	lockRoles = 1
	lockLoad  = 2
)

type migration struct {
	version  int
	name     string
	checksum string
	sql      string
}

// corrected maps the checksum of a corrected text to that of the text which earlier
// versions applied, with the same result. It is recorded for both, so that code of before
// and after the correction accepts the schema.
var corrected = map[string]string{
	// 0007 failed beside tables of an operator in the schema public.
	"c4a130aeb9b3e8af23be60257be5598a615b6efaa81577a39a9710be06efdfc7": "f41132f4f62c130faec8135b846aeb9432d0e01eca38cc34b0652e89f0171f4d",
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
		m := migration{version: version, name: name, checksum: hex.EncodeToString(sum[:]), sql: string(text)}
		m.checksum = cmp.Or(corrected[m.checksum], m.checksum)
		all = append(all, m)
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
		// A migration may take longer than the role's statement_timeout; ctx
		// limits it.
		if _, err := conn.Exec(ctx, "SET statement_timeout = 0"); err != nil {
			return fmt.Errorf("lift timeout: %w", err)
		}
		version, err = apply(ctx, conn, known)
		_, resetErr := conn.Exec(ctx, "RESET statement_timeout") // to the value pinned for the session
		return errors.Join(err, resetErr)
	})
	return version, err
}

func apply(ctx context.Context, conn *pgx.Conn, known []migration) (version int, err error) {
	if err := ensureMigrationTable(ctx, conn); err != nil {
		return 0, err
	}
	for {
		applied, err := applyNext(ctx, conn, known)
		if err != nil || applied >= len(known) {
			return max(applied, len(known)), err
		}
	}
}

// ensureMigrationTable creates the table of applied migrations. Two sessions that
// create it at the same time get an error of PostgreSQL's catalog; the second attempt finds
// the table.
func ensureMigrationTable(ctx context.Context, conn *pgx.Conn) error {
	create := func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS public.schema_migration (
			version    integer PRIMARY KEY,
			name       text NOT NULL,
			checksum   text NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now()
		)`)
		return err
	}
	err := asTables(ctx, conn, create)
	if state := sqlState(err); state == uniqueViolation || state == duplicateTable {
		err = asTables(ctx, conn, create)
	}
	if err != nil {
		return fmt.Errorf("create table of migrations: %w", err)
	}
	return nil
}

// applyNext checks the applied migrations, applies the next one, and returns the
// number of applied migrations. Its lock orders concurrent deploys.
func applyNext(ctx context.Context, conn *pgx.Conn, known []migration) (applied int, err error) {
	err = asTables(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE public.schema_migration IN SHARE ROW EXCLUSIVE MODE"); err != nil {
			return fmt.Errorf("lock migrations: %w", err)
		}
		rows, err := tx.Query(ctx, "SELECT checksum FROM public.schema_migration ORDER BY version")
		if err != nil {
			return fmt.Errorf("read applied migrations: %w", err)
		}
		checksums, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("read applied migrations: %w", err)
		}
		for i, m := range known[:min(len(known), len(checksums))] {
			if checksums[i] != m.checksum {
				return fmt.Errorf("check migration %s: its text differs from the applied migration; a released migration must not change", m.name)
			}
		}
		if applied = len(checksums); applied >= len(known) {
			return nil
		}
		if err := checkNames(ctx, tx, known[:applied], known[applied:]); err != nil {
			return err
		}
		m := known[applied]
		// The simple protocol accepts several statements.
		if _, err := tx.Conn().PgConn().Exec(ctx, m.sql).ReadAll(); err != nil {
			return fmt.Errorf("apply migration %s: %w", m.name, err)
		}
		if _, err := tx.Exec(ctx, "INSERT INTO public.schema_migration (version, name, checksum) VALUES ($1, $2, $3)", m.version, m.name, m.checksum); err != nil {
			return fmt.Errorf("record migration %s: %w", m.name, err)
		}
		applied++
		return nil
	})
	return applied, err
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

// asTables runs work in a transaction as the role that owns the objects.
func asTables(ctx context.Context, conn *pgx.Conn, work func(pgx.Tx) error) error {
	return transact(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL ROLE streamctl_tables"); err != nil {
			return err
		}
		return work(tx)
	})
}

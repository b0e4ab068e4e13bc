package warehouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Retained is the result of DropDays.
type Retained struct {
	// Dropped lists the days whose partitions were dropped.
	Dropped []time.Time
	// Kept lists the days below the floor whose partitions remain, because some
	// hours in which their rows arrived may not be archived.
	Kept []time.Time
}

// DropDays drops the events before a day (UTC). Run it as streamctl_owner.
//
// Each step can be interrupted and is continued by the next call. The floor is
// raised first, in a transaction of its own, so that from then on no load
// inserts a row below it. A day is dropped only if every hour in which its rows
// arrived was compared with the archive without unarchived rows; otherwise it
// is kept. A partition is first detached, without locking out loads or reads,
// and then dropped. pause waits between tries while a long query holds a lock.
func (d *DB) DropDays(ctx context.Context, before time.Time, pause func(context.Context, time.Duration) error) (Retained, error) {
	var done Retained
	before = day(before)
	days, err := d.daysBefore(ctx, before)
	if err != nil || len(days) == 0 {
		return done, err
	}
	if err := d.raiseFloor(ctx, before); err != nil {
		return done, err
	}
	var errs []error
	for _, day := range days {
		archived, err := d.archived(ctx, day)
		if err == nil && !archived {
			done.Kept = append(done.Kept, day)
			continue
		}
		if err == nil {
			err = d.dropDay(ctx, day, pause)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("drop day %s: %w", day.Format(time.DateOnly), hinted(err)))
			continue
		}
		done.Dropped = append(done.Dropped, day)
	}
	return done, errors.Join(errs...)
}

// daysBefore returns the days before another day that have a table, attached or
// already detached, oldest first.
func (d *DB) daysBefore(ctx context.Context, before time.Time) (days []time.Time, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT day FROM (
				SELECT to_date(substr(relname, 8), 'YYYYMMDD') AS day FROM pg_class
				WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname ~ '^events_[0-9]{8}$') d
			WHERE day < $1::date ORDER BY day`, before)
		if err != nil {
			return err
		}
		days, err = pgx.CollectRows(rows, pgx.RowTo[time.Time])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list days to drop: %w", err)
	}
	return days, nil
}

// raiseFloor makes a day the first one that can be loaded.
func (d *DB) raiseFloor(ctx context.Context, floor time.Time) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if err := lockLoads(ctx, tx); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "UPDATE public.events_floor SET floor = $1 WHERE floor < $1", floor)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("raise floor: %w", err)
	}
	return nil
}

// archived reports whether every hour in which a day's own rows arrived is
// known to be in the archive.
func (d *DB) archived(ctx context.Context, day time.Time) (ok bool, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var sql string
		err := conn.QueryRow(ctx, `SELECT format('SELECT NOT EXISTS (
				SELECT date_trunc(''hour'', arrived_at, ''UTC'') FROM public.%I WHERE source IS NULL
				EXCEPT SELECT hour FROM public.reconciled_hour WHERE unarchived = 0)', $1::text)`, dayTable(day)).Scan(&sql)
		if err != nil {
			return err
		}
		return conn.QueryRow(ctx, sql).Scan(&ok)
	})
	return ok, err
}

func dayTable(day time.Time) string { return "events_" + day.Format("20060102") }

// dropDay detaches a day's partition, if it is attached, and drops it.
func (d *DB) dropDay(ctx context.Context, day time.Time, pause func(context.Context, time.Duration) error) error {
	for try := 1; ; try++ {
		err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error { return dropDay(ctx, conn, dayTable(day)) })
		if err == nil {
			return nil
		}
		if state := sqlState(err); try == dayTries || state != lockNotAvailable && state != queryCanceled {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

func dropDay(ctx context.Context, conn *pgx.Conn, table string) (err error) {
	// CONCURRENTLY can't run in a transaction. The settings are reset before
	// the connection is used again.
	if _, err := conn.Exec(ctx, "SET ROLE streamctl_tables"); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "SET lock_timeout = '3s'"); err != nil {
		return err
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		_, roleErr := conn.Exec(ctx, "SET ROLE NONE")
		_, lockErr := conn.Exec(ctx, "SET lock_timeout = 0")
		err = errors.Join(err, roleErr, lockErr)
	}()
	// Check for dependent objects before detaching the day: afterwards its
	// events would be missing although the table can't be dropped.
	if err := dependents(ctx, conn, table); err != nil {
		return err
	}
	for {
		var step *string
		// An interrupted detach must be finalized.
		err := conn.QueryRow(ctx, `SELECT CASE
				WHEN t.id IS NULL THEN NULL
				WHEN i.inhrelid IS NULL THEN format('DROP TABLE public.%I', $1)
				WHEN i.inhdetachpending THEN format('ALTER TABLE public.events DETACH PARTITION public.%I FINALIZE', $1)
				ELSE format('ALTER TABLE public.events DETACH PARTITION public.%I CONCURRENTLY', $1) END
			FROM (SELECT to_regclass('public.' || quote_ident($1)) AS id) t
			LEFT JOIN pg_inherits i ON i.inhrelid = t.id AND i.inhparent = 'public.events'::regclass`, table).Scan(&step)
		if err != nil {
			return err
		}
		if step == nil {
			return nil
		}
		// The simple protocol, because a prepared statement would run in a
		// transaction.
		if _, err := conn.PgConn().Exec(ctx, *step).ReadAll(); err != nil {
			return err
		}
	}
}

// dependents returns an error that lists the views, materialized views and
// foreign keys that depend on the table itself; those on events don't count.
func dependents(ctx context.Context, conn *pgx.Conn, table string) error {
	rows, err := conn.Query(ctx, `SELECT DISTINCT pg_describe_object('pg_class'::regclass, v.id, 0) FROM (
			SELECT r.ev_class AS id FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
			WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass('public.' || quote_ident($1)) AND r.ev_class <> d.refobjid
			UNION SELECT conrelid FROM pg_constraint
			WHERE contype = 'f' AND confrelid = to_regclass('public.' || quote_ident($1)) AND conparentid = 0) v ORDER BY 1`, table)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		return err
	}
	return fmt.Errorf("%s depends on %s: drop it, or define it on events", strings.Join(names, ", "), table)
}

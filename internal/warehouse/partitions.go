package warehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// DaysAhead is how many days after today have a partition ready.
const DaysAhead = 7

// dayTries is how often a day is tried whose making waits for a long query.
const dayTries = 5

// MakeDays gives every day from first to last, and every day that a load asked
// for, its partition. It is run as streamctl_owner. pause waits between tries.
// A day that can't be made stops none of the others.
func (d *DB) MakeDays(ctx context.Context, first, last time.Time, pause func(context.Context, time.Duration) error) (made int, err error) {
	days, err := d.missingDays(ctx, first, last)
	if err != nil {
		return 0, fmt.Errorf("list days: %w", err)
	}
	var errs []error
	for _, day := range days {
		if err := d.makeDay(ctx, day, pause); err != nil {
			errs = append(errs, fmt.Errorf("make day %s: %w", day.Format(time.DateOnly), err))
			continue
		}
		made++
	}
	if err := d.forgetWanted(ctx); err != nil {
		errs = append(errs, err)
	}
	return made, errors.Join(errs...)
}

func (d *DB) missingDays(ctx context.Context, first, last time.Time) (days []time.Time, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
			SELECT day FROM (
				SELECT generate_series($1::date, $2::date, interval '1 day')::date AS day
				UNION SELECT w.day FROM partition_wanted w, events_floor f WHERE w.day + 1 > f.floor
			) d WHERE NOT day_ready(day) ORDER BY day`, first, last)
		if err != nil {
			return err
		}
		days, err = pgx.CollectRows(rows, pgx.RowTo[time.Time])
		return err
	})
	return days, err
}

func (d *DB) makeDay(ctx context.Context, day time.Time, pause func(context.Context, time.Duration) error) error {
	for try := 1; ; try++ {
		err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			return asTables(ctx, conn, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '3s'"); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, "SELECT make_day($1)", day)
				return err
			})
		})
		if err == nil {
			return nil
		}
		if state := sqlState(err); try == dayTries || state != lockNotAvailable && state != duplicateTable {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// forgetWanted removes the wishes that are fulfilled, or that lie below the
// floor and never will be.
func (d *DB) forgetWanted(ctx context.Context) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM partition_wanted w USING events_floor f WHERE day_ready(w.day) OR w.day + 1 <= f.floor")
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("forget made days: %w", err)
	}
	return nil
}

// Horizon is how many whole days after today have a partition, without a gap.
func (d *DB) Horizon(ctx context.Context, today time.Time) (days int, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `
			SELECT coalesce(min(n) FILTER (WHERE NOT day_ready($1::date + n)), 31) - 1
			FROM generate_series(1, 30) n`, today).Scan(&days)
	})
	if err != nil {
		return 0, fmt.Errorf("read partition horizon: %w", err)
	}
	return days, nil
}

// batchDays is how long load_batch remembers.
const batchDays = 14

// ForgetBatches removes what load_batch needn't remember any longer. It is run
// as streamctl_owner.
func (d *DB) ForgetBatches(ctx context.Context) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM load_batch WHERE loaded_at < now() - make_interval(days => $1)", batchDays)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("forget old batches: %w", err)
	}
	return nil
}

// wantDays notes the chunk's days that have no partition. It runs outside the
// transaction that failed for want of them.
func wantDays(ctx context.Context, conn *pgx.Conn, rows []Row) error {
	seen := map[string]bool{}
	var days []time.Time
	for _, r := range rows {
		day := r.Event.Timestamp.UTC().Truncate(24 * time.Hour)
		if key := day.Format(time.DateOnly); !seen[key] {
			seen[key] = true
			days = append(days, day)
		}
	}
	_, err := conn.Exec(ctx, `INSERT INTO partition_wanted (day)
		SELECT d FROM unnest($1::date[]) d WHERE NOT day_ready(d) ORDER BY d ON CONFLICT DO NOTHING`, days)
	if err != nil {
		return fmt.Errorf("ask for partitions: %w", err)
	}
	return nil
}

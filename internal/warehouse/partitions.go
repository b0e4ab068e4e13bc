package warehouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// DaysAhead is how many days after today have a partition.
const DaysAhead = 7

// dayTries is how often creating or dropping a partition is tried while a long
// query holds a lock.
const dayTries = 5

// EnsurePartitions creates the missing partitions of every day from first to
// last, and of every day that a load requested. Run it as streamctl_owner.
// pause waits between tries. If one partition can't be created, the others
// still are.
func (d *DB) EnsurePartitions(ctx context.Context, first, last time.Time, pause func(context.Context, time.Duration) error) (made int, err error) {
	days, err := d.missingDays(ctx, first, last)
	if err != nil {
		return 0, fmt.Errorf("list days: %w", err)
	}
	var errs []error
	for _, day := range days {
		if err := d.makeDay(ctx, day, pause); err != nil {
			errs = append(errs, fmt.Errorf("create partition of %s: %w", day.Format(time.DateOnly), hinted(err)))
			continue
		}
		made++
	}
	if err := d.deleteSatisfiedRequests(ctx); err != nil {
		errs = append(errs, err)
	}
	return made, errors.Join(errs...)
}

func (d *DB) missingDays(ctx context.Context, first, last time.Time) (days []time.Time, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
			SELECT day FROM (
				SELECT generate_series($1::date, $2::date, interval '1 day')::date AS day
				UNION SELECT w.day FROM public.partition_wanted w, public.events_floor f WHERE w.day + 1 > f.floor
			) d WHERE NOT public.day_ready(day) ORDER BY day`, first, last)
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
				_, err := tx.Exec(ctx, "SELECT public.make_day($1)", day)
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

// deleteSatisfiedRequests deletes the partition requests that are satisfied or
// lie below the floor, where they never will be.
func (d *DB) deleteSatisfiedRequests(ctx context.Context) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM public.partition_wanted w USING public.events_floor f WHERE public.day_ready(w.day) OR w.day + 1 <= f.floor")
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("delete satisfied partition requests: %w", err)
	}
	return nil
}

// Horizon returns the number of whole days after today that have a partition,
// without a gap.
func (d *DB) Horizon(ctx context.Context, today time.Time) (days int, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `
			SELECT coalesce(min(n) FILTER (WHERE NOT public.day_ready($1::date + n)), 31) - 1
			FROM generate_series(1, 30) n`, today).Scan(&days)
	})
	if err != nil {
		return 0, fmt.Errorf("read partition horizon: %w", err)
	}
	return days, nil
}

// batchDays is how many days rows stay in load_batch and skewed_event.
const batchDays = 14

// ForgetBatches deletes old rows of load_batch and skewed_event. Run it as streamctl_owner.
func (d *DB) ForgetBatches(ctx context.Context) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "DELETE FROM public.load_batch WHERE loaded_at < now() - make_interval(days => $1)", batchDays); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "DELETE FROM public.skewed_event WHERE loaded_at < now() - make_interval(days => $1)", batchDays)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("delete old batches: %w", err)
	}
	return nil
}

// missingDaysError means that days of the chunk have no partition.
type missingDaysError struct {
	days []time.Time
	err  error
}

func (e *missingDaysError) Error() string {
	names := make([]string, len(e.days))
	for i, day := range e.days {
		names[i] = day.Format(time.DateOnly)
	}
	return "no partition yet for " + strings.Join(names, ", ") + ": " + e.err.Error()
}

func (e *missingDaysError) Unwrap() error { return e.err }

// missingDays returns the days of rows without a partition. A CHECK constraint
// fails with the same SQLSTATE as a missing partition, and so may a trigger.
func missingDays(ctx context.Context, tx pgx.Tx, rows []Row) ([]time.Time, error) {
	seen := map[time.Time]bool{}
	var days []time.Time
	for _, r := range rows {
		if of := day(r.Event.Timestamp); !seen[of] {
			seen[of] = true
			days = append(days, of)
		}
	}
	answer, err := tx.Query(ctx, `SELECT d FROM unnest($1::date[]) d WHERE NOT public.day_ready(d)
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_partitioned_table WHERE partrelid = 'public.events'::regclass AND partdefid <> 0) ORDER BY d`, days)
	if err != nil {
		return nil, fmt.Errorf("look for partitions: %w", err)
	}
	days, err = pgx.CollectRows(answer, pgx.RowTo[time.Time])
	if err != nil {
		return nil, fmt.Errorf("look for partitions: %w", err)
	}
	return days, nil
}

// wantDays requests the partitions of days. It runs outside the transaction
// that failed without them.
func wantDays(ctx context.Context, conn *pgx.Conn, days []time.Time) error {
	_, err := conn.Exec(ctx, `INSERT INTO public.partition_wanted (day)
		SELECT d FROM unnest($1::date[]) d WHERE NOT public.day_ready(d) ORDER BY d ON CONFLICT DO NOTHING`, days)
	if err != nil {
		return fmt.Errorf("request partitions: %w", err)
	}
	return nil
}

// NeedsDays reports whether a load failed because days have no partition. They
// are requested, so that EnsurePartitions makes them.
func NeedsDays(err error) bool {
	var missing *missingDaysError
	return errors.As(err, &missing)
}

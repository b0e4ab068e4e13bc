package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// LedgerHour is the last comparison of an hour of arrival.
type LedgerHour struct {
	HourState
	// CheckedAt is when the hour was last compared; zero if it never was.
	CheckedAt time.Time
}

// Ledger lists the hours of arrival from (inclusive) to (exclusive), whether
// they were compared or not.
func (d *DB) Ledger(ctx context.Context, from, to time.Time) (hours []LedgerHour, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT h, r.since, r.checked_at, coalesce(r.lines, 0), coalesce(r.missing, 0), coalesce(r.unarchived, 0)
			FROM generate_series(date_trunc('hour', $1::timestamptz), $2::timestamptz - interval '1 microsecond', interval '1 hour') h
			LEFT JOIN public.reconciled_hour r ON r.hour = h ORDER BY h`, from, to)
		if err != nil {
			return err
		}
		hours, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (h LedgerHour, err error) {
			var since, checked *time.Time
			err = row.Scan(&h.Hour, &since, &checked, &h.Lines, &h.Missing, &h.Unarchived)
			h.Hour = h.Hour.UTC()
			if since != nil && checked != nil {
				h.Since, h.CheckedAt = since.UTC(), checked.UTC()
			}
			return h, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	return hours, nil
}

// CompareAgain deletes the results of an hour's objects, so that each is
// compared again. Run it as streamctl_owner.
func (d *DB) CompareAgain(ctx context.Context, hour time.Time) error {
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "DELETE FROM public.reconciled_object WHERE hour = $1", hour)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("compare hour %s again: %w", hour.Format(time.RFC3339), err)
	}
	return nil
}

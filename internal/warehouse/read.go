package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// MinuteRows reads complete minutes of a metric: every dimension and slot. A
// minute without rows had no events.
func (d *DB) MinuteRows(ctx context.Context, metric string, minutes []time.Time) (rows []MinuteRow, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		answer, err := conn.Query(ctx, `
			SELECT metric, bucket, dimension, slot, rev, n, sum::text, coalesce(min::text, ''), coalesce(max::text, '')
			FROM public.metric_minute WHERE metric = $1 AND bucket = ANY($2) ORDER BY bucket, dimension, slot`, metric, minutes)
		if err != nil {
			return err
		}
		rows, err = pgx.CollectRows(answer, minuteRow)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read minutes of %s: %w", metric, err)
	}
	return rows, nil
}

// Point is a metric's value over one step of time.
type Point struct {
	At            time.Time
	Dimension     string
	N             int64
	Sum, Min, Max string
}

// Series sums a metric's minutes from (inclusive) to (exclusive), by steps that
// begin at from. A step without events has no point.
func (d *DB) Series(ctx context.Context, metric string, from, to time.Time, step time.Duration) (points []Point, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		answer, err := conn.Query(ctx, `
			SELECT date_bin(make_interval(secs => $4), bucket, $2) AS at, dimension, sum(n)::bigint,
			       sum(sum)::text, coalesce(min(min)::text, ''), coalesce(max(max)::text, '')
			FROM public.metric_minute WHERE metric = $1 AND bucket >= $2 AND bucket < $3 AND n > 0
			GROUP BY 1, 2 ORDER BY 1, 2`, metric, from, to, step.Seconds())
		if err != nil {
			return err
		}
		points, err = pgx.CollectRows(answer, func(row pgx.CollectableRow) (p Point, err error) {
			err = row.Scan(&p.At, &p.Dimension, &p.N, &p.Sum, &p.Min, &p.Max)
			p.At = p.At.UTC()
			return p, err
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read series of %s: %w", metric, err)
	}
	return points, nil
}

// CountUsers counts the distinct users of each day (UTC) from first to last.
func (d *DB) CountUsers(ctx context.Context, first, last time.Time) (byDay map[string]int64, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
			SELECT to_char(timestamp AT TIME ZONE 'UTC', 'YYYYMMDD'), count(DISTINCT user_id)
			FROM public.events WHERE timestamp >= $1 AND timestamp < $2 GROUP BY 1`, day(first), day(last).AddDate(0, 0, 1))
		if err != nil {
			return err
		}
		byDay = map[string]int64{}
		var name string
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error { byDay[name] = n; return nil })
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count users: %w", err)
	}
	return byDay, nil
}

// Floor returns the retention floor: events before it were dropped. It is the
// zero time if none were dropped.
func (d *DB) Floor(ctx context.Context) (floor time.Time, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		at, err := readFloor(ctx, conn)
		if at != nil {
			floor = at.UTC()
		}
		return err
	})
	return floor, err
}

// readFloor reads the floor over a connection or a transaction; nil means that
// no events were dropped.
func readFloor(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (floor *time.Time, err error) {
	if err := conn.QueryRow(ctx, "SELECT CASE WHEN isfinite(floor) THEN floor END FROM public.events_floor").Scan(&floor); err != nil {
		return nil, fmt.Errorf("read retention floor: %w", err)
	}
	return floor, nil
}

// EachUser passes the distinct users of a time range, from (inclusive) to
// (exclusive), to each, in portions.
func (d *DB) EachUser(ctx context.Context, from, to time.Time, each func(users []string) error) error {
	const portion = 5000
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT DISTINCT user_id FROM public.events WHERE timestamp >= $1 AND timestamp < $2", from, to)
		if err != nil {
			return err
		}
		users := make([]string, 0, portion)
		var user string
		_, err = pgx.ForEachRow(rows, []any{&user}, func() error {
			if users = append(users, user); len(users) < portion {
				return nil
			}
			full := users
			users = make([]string, 0, portion)
			return each(full)
		})
		if err != nil || len(users) == 0 {
			return err
		}
		return each(users)
	})
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	return nil
}

// Change is the result of Changed.
type Change struct {
	Minutes []time.Time
	// Watermark is the position of the next call: a transaction id, before
	// which all transactions have ended and are included, and the time of this
	// call.
	Watermark string
}

// Changed returns the minutes since oldest that transactions from watermark on
// have changed, newest first. An empty watermark returns all minutes with rows.
// It does not compare clocks: the next call sees a transaction that began early
// and commits late. It rereads the transactions of the last minutes before the
// watermark, because a crash of the server resets the transaction counter and
// reassigns the ids of transactions that were rolled back just before it.
func (d *DB) Changed(ctx context.Context, watermark string, oldest time.Time) (c Change, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		// One statement sees one snapshot.
		const since = `
			SELECT pg_snapshot_xmin(pg_current_snapshot())::text || '@' || extract(epoch FROM now()),
			       ARRAY(SELECT DISTINCT m FROM public.load_batch, unnest(minutes) m
			             WHERE (xid >= split_part($2, '@', 1)::xid8
			                    OR loaded_at >= to_timestamp(split_part($2, '@', 2)::float8) - interval '3 minutes')
			             AND m >= $1 ORDER BY m DESC)`
		const all = `
			SELECT pg_snapshot_xmin(pg_current_snapshot())::text || '@' || extract(epoch FROM now()),
			       ARRAY(SELECT DISTINCT bucket FROM public.metric_minute WHERE bucket >= $1 ORDER BY bucket DESC)`
		if watermark == "" {
			return conn.QueryRow(ctx, all, oldest).Scan(&c.Watermark, &c.Minutes)
		}
		return conn.QueryRow(ctx, since, oldest, watermark).Scan(&c.Watermark, &c.Minutes)
	})
	if err != nil {
		return Change{}, fmt.Errorf("read changed minutes: %w", err)
	}
	return c, nil
}

// Metrics lists the metrics that have rollups.
func (d *DB) Metrics(ctx context.Context) (names []string, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT DISTINCT metric FROM public.dimension ORDER BY 1")
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return names, nil
}

// day returns the beginning of a time's day (UTC).
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

package warehouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
)

// Limits for counting events of one type from the table events, which has no
// index on the type.
const (
	countRows = 2_000_000 // events of all types in the minutes that are read
	countTime = 10 * time.Second
	countSpan = 200 // runs of minutes
)

// TypeCount is the number of events of one type, by step.
type TypeCount struct {
	Points []Point
	// FoldedFrom (inclusive) and FoldedTo (exclusive) enclose the minutes in
	// which events of the type may be folded and missing from Points; both are
	// zero if Points is complete. Folded is the number of folded events of all
	// types in those minutes.
	FoldedFrom, FoldedTo time.Time
	Folded               int64
}

// IsNeverFolded reports whether a value of a series has rows of its own in
// every minute for which events can currently be loaded.
func (d *DB) IsNeverFolded(ctx context.Context, key, value string) (never bool, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM public.dimension
			WHERE metric = $1 AND value = $2 AND apart @> tstzrange(NULL, now() + $3::interval))`, key, value, event.ArrivalMaxAhead).Scan(&never)
	})
	if err != nil {
		return false, fmt.Errorf("look up dimension value: %w", err)
	}
	return never, nil
}

// CountType counts the events of a type from (inclusive) to (exclusive), by
// steps that begin at from. Minutes in which the type may be folded are counted
// from the table events, newest first, within limits, and never below the
// retention floor.
func (d *DB) CountType(ctx context.Context, eventType string, from, to time.Time, step time.Duration) (c TypeCount, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			c, err = countType(ctx, tx, eventType, from, to, step)
			return err
		})
	})
	if err != nil {
		return TypeCount{}, fmt.Errorf("count events of a type: %w", err)
	}
	return c, nil
}

func countType(ctx context.Context, tx pgx.Tx, eventType string, from, to time.Time, step time.Duration) (c TypeCount, err error) {
	minutes, err := minuteCounts(ctx, tx, `SELECT bucket, sum(n)::bigint FROM public.metric_minute
		WHERE metric = $1 AND dimension = $2 AND bucket >= $3 AND bucket < $4 AND n > 0 GROUP BY 1`, MetricEvents, eventType, from, to)
	if err != nil {
		return c, err
	}
	doubtful, err := doubtfulMinutes(ctx, tx, eventType, from, to)
	if err != nil {
		return c, err
	}
	stretches, err := withinBounds(ctx, tx, doubtful)
	if err != nil {
		return c, err
	}
	counted, err := countStretches(ctx, tx, eventType, stretches)
	if err != nil {
		return c, err
	}
	for _, m := range doubtful {
		if counted != nil && slices.ContainsFunc(stretches, func(s stretch) bool { return s.includes(m.at) }) {
			minutes[m.at.Unix()] = counted[m.at.Unix()]
			continue
		}
		if c.FoldedFrom.IsZero() {
			c.FoldedFrom = m.at
		}
		c.FoldedTo = m.at.Add(time.Minute)
		c.Folded += m.folded
	}
	c.Points = binned(minutes, eventType, from, step)
	return c, nil
}

// doubtfulMinute is a minute in which events of a type may be folded.
type doubtfulMinute struct {
	at time.Time
	// Numbers of folded events and of all events in the minute.
	folded, events int64
}

// doubtfulMinutes returns the minutes with folded events in which the type has
// no rows of its own, oldest first.
func doubtfulMinutes(ctx context.Context, tx pgx.Tx, eventType string, from, to time.Time) ([]doubtfulMinute, error) {
	rows, err := tx.Query(ctx, `
		SELECT bucket, sum(n) FILTER (WHERE dimension = $2)::bigint, sum(n)::bigint FROM public.metric_minute
		WHERE metric = $1 AND bucket >= $4 AND bucket < $5 AND bucket IN (
			SELECT bucket FROM public.metric_minute WHERE metric = $1 AND dimension = $2 AND bucket >= $4 AND bucket < $5 AND n > 0)
		AND NOT EXISTS (SELECT FROM public.dimension WHERE metric = $1 AND value = $3 AND apart @> bucket)
		GROUP BY 1 ORDER BY 1`, MetricEvents, OtherDimension, eventType, from, to)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m doubtfulMinute, err error) {
		err = row.Scan(&m.at, &m.folded, &m.events)
		m.at = m.at.UTC()
		return m, err
	})
}

// stretch is a run of minutes, from (inclusive) to (exclusive).
type stretch struct{ from, to time.Time }

func (s stretch) includes(at time.Time) bool { return !at.Before(s.from) && at.Before(s.to) }

// withinBounds joins minutes to stretches, newest first, until a limit or the
// floor is reached.
func withinBounds(ctx context.Context, tx pgx.Tx, minutes []doubtfulMinute) (stretches []stretch, err error) {
	floor, err := readFloor(ctx, tx)
	if err != nil {
		return nil, err
	}
	left := int64(countRows)
	for _, m := range slices.Backward(minutes) {
		if left -= m.events; left < 0 || floor != nil && m.at.Before(*floor) {
			break
		}
		if n := len(stretches); n > 0 && stretches[n-1].from.Equal(m.at.Add(time.Minute)) {
			stretches[n-1].from = m.at
			continue
		}
		if len(stretches) == countSpan {
			break
		}
		stretches = append(stretches, stretch{m.at, m.at.Add(time.Minute)})
	}
	return stretches, nil
}

// countStretches counts the events of a type by minute; nil if that takes too
// long.
func countStretches(ctx context.Context, tx pgx.Tx, eventType string, stretches []stretch) (counts map[int64]int64, err error) {
	if len(stretches) == 0 {
		return counts, nil
	}
	froms, tos := make([]time.Time, len(stretches)), make([]time.Time, len(stretches))
	for i, s := range stretches {
		froms[i], tos[i] = s.from, s.to
	}
	limit := countTime
	if deadline, ok := ctx.Deadline(); ok {
		const answer = time.Second
		limit = max(min(limit, time.Until(deadline)-answer), time.Millisecond)
	}
	err = savepoint(ctx, tx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true)", millis(limit)); err != nil {
			return err
		}
		counts, err = minuteCounts(ctx, tx, `SELECT date_trunc('minute', e.timestamp), count(*)
			FROM unnest($2::timestamptz[], $3::timestamptz[]) s(a, b)
			CROSS JOIN LATERAL (SELECT timestamp FROM public.events WHERE event_type = $1 AND timestamp >= a AND timestamp < b) e GROUP BY 1`, eventType, froms, tos)
		return err
	})
	if sqlState(err) == queryCanceled {
		return nil, nil
	}
	return counts, err
}

// minuteCounts collects rows of minute and count, by Unix seconds.
func minuteCounts(ctx context.Context, tx pgx.Tx, sql string, args ...any) (map[int64]int64, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	counts := map[int64]int64{}
	var at time.Time
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&at, &n}, func() error { counts[at.Unix()] = n; return nil })
	return counts, err
}

// binned sums minutes by step.
func binned(minutes map[int64]int64, eventType string, from time.Time, step time.Duration) []Point {
	sums := map[int64]int64{}
	for at, n := range minutes {
		sums[from.Add(time.Unix(at, 0).Sub(from)/step*step).Unix()] += n
	}
	points := make([]Point, 0, len(sums))
	for at, n := range sums {
		if n > 0 {
			points = append(points, Point{At: time.Unix(at, 0).UTC(), Dimension: eventType, N: n})
		}
	}
	slices.SortFunc(points, func(a, b Point) int { return a.At.Compare(b.At) })
	return points
}

package warehouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// BelowFloorError means that rollups can't be rebuilt because retention has
// dropped the events.
type BelowFloorError struct{ From, Floor time.Time }

func (e *BelowFloorError) Error() string {
	return fmt.Sprintf("rebuild rollups from %s: events before %s were dropped by retention", e.From.Format(time.RFC3339), e.Floor.Format(time.RFC3339))
}

func (e *BelowFloorError) Hint() string {
	return "start at " + e.Floor.Format(time.RFC3339) + " or later"
}

// RebuildRollups recounts events from (inclusive) to (exclusive), rounded to
// whole minutes, in one transaction; loads are locked out meanwhile. Run it as
// streamctl_owner. Each series is counted from its start (Since); computed
// series only if analyze is given. Rows are never deleted: rows without events
// get n = 0 and a larger revision, which the cache sees. Nothing changes below
// the floor; the error is then a *BelowFloorError. step is the job's step, or
// nil.
func (d *DB) RebuildRollups(ctx context.Context, from, to time.Time, analyze func(event.Event) ([]metric.Contribution, error), step *JobStep) error {
	from, to = from.UTC().Truncate(time.Minute), to.UTC().Add(time.Minute-1).Truncate(time.Minute)
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if err := lockLoads(ctx, tx); err != nil {
				return err
			}
			if err := rebuildSpan(ctx, tx, from, to, analyze); err != nil || step == nil {
				return err
			}
			return step.save(ctx, tx, Loaded{})
		})
	})
	if err != nil {
		return fmt.Errorf("rebuild rollups of %s: %w", from.Format(time.RFC3339), err)
	}
	return nil
}

// RollupSpan returns the time range of all events and rollups above the
// retention floor; ok is false if there are none.
func (d *DB) RollupSpan(ctx context.Context) (from, to time.Time, ok bool, err error) {
	var first, last *time.Time
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `WITH ends AS (
				SELECT min(timestamp) AS first, max(timestamp) AS last FROM public.events
				UNION ALL SELECT r.first, r.last FROM public.metric m, LATERAL (
					SELECT min(bucket) AS first, max(bucket) AS last FROM public.metric_minute WHERE metric = m.key) r)
			SELECT CASE WHEN min(first) < floor THEN floor ELSE min(first) END, max(last) + interval '1 minute'
			FROM ends, public.events_floor GROUP BY floor`).Scan(&first, &last)
	})
	if err != nil {
		return from, to, false, fmt.Errorf("read span of rollups: %w", err)
	}
	if first == nil || last == nil || !first.Before(*last) {
		return from, to, false, nil
	}
	return first.UTC(), last.UTC(), true, nil
}

func rebuildSpan(ctx context.Context, tx pgx.Tx, start, end time.Time, analyze func(event.Event) ([]metric.Contribution, error)) error {
	floor, err := readFloor(ctx, tx)
	if err != nil {
		return err
	}
	if floor != nil && start.Before(*floor) {
		return &BelowFloorError{From: start, Floor: floor.UTC()}
	}
	rows, err := tx.Query(ctx, "SELECT key, definition, greatest(since, $1) FROM public.metric WHERE active AND since < $2 ORDER BY greatest(since, $1), key", start, end)
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	// Series that start within the span are counted separately, from their
	// start.
	parts := map[time.Time]*rebuilding{}
	var key string
	var definition *string
	var from time.Time
	_, err = pgx.ForEachRow(rows, []any{&key, &definition, &from}, func() error {
		part := parts[from.UTC()]
		if part == nil {
			part = &rebuilding{from: from.UTC(), to: end}
			parts[from.UTC()] = part
		}
		switch {
		case definition != nil:
			one, err := metric.Decode(*definition)
			part.declared = append(part.declared, one...)
			return err
		case key == MetricEvents:
			part.events = true
		case analyze != nil:
			part.coded, part.analyze = append(part.coded, key), analyze
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read metrics: %w", err)
	}
	for _, part := range parts {
		if err := rebuild(ctx, tx, *part); err != nil {
			return err
		}
	}
	return nil
}

// rebuilding is a time range of events and the series to count.
type rebuilding struct {
	from, to time.Time
	events   bool
	declared []metric.Definition
	coded    []string // keys
	analyze  func(event.Event) ([]metric.Contribution, error)
}

// keys returns the series, including those of skipped events.
func (r rebuilding) keys() []string {
	keys := slices.Clone(r.coded)
	if r.events {
		keys = append(keys, MetricEvents)
	}
	for _, d := range r.declared {
		keys = append(keys, d.Key(), metric.SkippedKey(d.Key()))
	}
	return keys
}

// rebuild writes each minute's total into slot 0 and clears the other slots.
func rebuild(ctx context.Context, tx pgx.Tx, r rebuilding) error {
	keys := r.keys()
	if len(keys) == 0 {
		return nil
	}
	counted, err := count(ctx, tx, r)
	if err != nil {
		return err
	}
	counted = slices.DeleteFunc(counted, func(m RollupDelta) bool { return !slices.Contains(keys, m.Metric) })
	measures, _, err := limitDimensions(ctx, tx, counted)
	if err != nil {
		return err
	}
	cleared, err := tx.Query(ctx, `UPDATE public.metric_minute SET rev = rev + 1, n = 0, sum = 0, min = NULL, max = NULL
		WHERE metric = ANY($1) AND bucket >= $2 AND bucket < $3 RETURNING bucket`, keys, r.from, r.to)
	if err != nil {
		return fmt.Errorf("clear rollups: %w", err)
	}
	minutes, err := pgx.CollectRows(cleared, pgx.RowTo[time.Time])
	if err != nil {
		return fmt.Errorf("clear rollups: %w", err)
	}
	for _, m := range measures {
		minutes = append(minutes, m.Minute)
	}
	l := load{Chunk: Chunk{Shard: "rebuild"}}
	var batch pgx.Batch
	addToRollups(&batch, 0, measures, &l.Minutes)
	l.note(&batch, minutes)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("add to rollups, record batch: %w", err)
	}
	return nil
}

// count reads the events of a time range and computes their sums.
func count(ctx context.Context, tx pgx.Tx, r rebuilding) ([]RollupDelta, error) {
	rows, err := tx.Query(ctx, "SELECT event_id, user_id, event_type, timestamp, properties FROM public.events WHERE timestamp >= $1 AND timestamp < $2", r.from, r.to)
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	c := newCounter(r.declared)
	var e event.Event
	var id [16]byte
	var properties []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &e.UserID, &e.Type, &e.Timestamp, &properties}, func() error {
		e.ID, e.Properties, e.Timestamp = id, properties, e.Timestamp.UTC()
		if err := e.Properties.Compact(); err != nil {
			return err
		}
		var coded []metric.Contribution
		if r.analyze != nil {
			var err error
			if coded, err = r.analyze(e); err != nil {
				return err
			}
		}
		return c.event(&e, coded)
	})
	if err != nil {
		return nil, fmt.Errorf("count events: %w", err)
	}
	return c.measures(), nil
}

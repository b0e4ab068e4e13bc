package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/metric"
)

// Sequences packs the events of users into blocks, and reads them.
type Sequences struct{ DB *DB }

// spanState is a row of sequence_span.
type spanState struct {
	start, end time.Time
	packed     bool
	properties []string
	events     int64
	// whole reports that the blocks lack events of unknown users.
	whole bool
	// users are those whose events the blocks may lack.
	users []string
	// since is when the first of them was recorded; zero if there is none.
	since time.Time
}

// usable reports whether the span can be read from its blocks.
func (s *spanState) usable(paths []string) bool {
	if !s.packed || s.whole || int64(len(s.users)) > max(maxStaleUsers, s.events/50) {
		return false
	}
	return !slices.ContainsFunc(paths, func(p string) bool { return !slices.Contains(s.properties, p) })
}

// querier is a transaction or a connection.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// readSpans returns the spans that overlap from (inclusive) to (exclusive), in order.
func readSpans(ctx context.Context, q querier, from, to time.Time) ([]spanState, error) {
	// Batches of an earlier version's loader did not record their users.
	rows, err := q.Query(ctx, `
		SELECT s.span_start, s.span_end, s.packed_at IS NOT NULL, s.properties, s.events, EXISTS (
			SELECT FROM public.load_batch b WHERE NOT b.sequenced AND b.xid >= pg_snapshot_xmin(s.snapshot) AND NOT pg_visible_in_snapshot(b.xid, s.snapshot)
			AND EXISTS (SELECT FROM unnest(b.minutes) m WHERE m >= s.span_start AND m < s.span_end))
		FROM public.sequence_span s WHERE s.span_start < $2 AND s.span_end > $1 ORDER BY s.span_start`, from, to)
	if err != nil {
		return nil, fmt.Errorf("read spans: %w", err)
	}
	spans, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s spanState, err error) {
		err = row.Scan(&s.start, &s.end, &s.packed, &s.properties, &s.events, &s.whole)
		s.start, s.end = s.start.UTC(), s.end.UTC()
		return s, err
	})
	if err != nil || len(spans) == 0 {
		return spans, err //nolint:wrapcheck // the caller wraps it
	}
	return spans, readStaleUsers(ctx, q, spans)
}

// maxStaleNames is the number of stale users of all spans that are read; the blocks of
// further spans are not used.
const maxStaleNames = 100_000

// readStaleUsers sets the stale users of spans.
func readStaleUsers(ctx context.Context, q querier, spans []spanState) error {
	rows, err := q.Query(ctx, `SELECT hour, count(DISTINCT user_id), bool_or(user_id IS NULL), min(at) FROM public.sequence_stale
		WHERE hour >= $1 AND hour < $2 GROUP BY 1 ORDER BY 1`, spans[0].start, spans[len(spans)-1].end)
	if err != nil {
		return fmt.Errorf("count stale users: %w", err)
	}
	var hour, at time.Time
	var n int64
	var whole bool
	var hours []time.Time
	names := int64(0)
	_, err = pgx.ForEachRow(rows, []any{&hour, &n, &whole, &at}, func() error {
		s := spanAt(spans, hour)
		if s == nil {
			return nil
		}
		if s.since.IsZero() || at.Before(s.since) {
			s.since = at
		}
		if names += n; whole || names > maxStaleNames {
			s.whole = true
		}
		hours = append(hours, hour)
		return nil
	})
	if err != nil {
		return fmt.Errorf("count stale users: %w", err)
	}
	hours = slices.DeleteFunc(hours, func(at time.Time) bool { return spanAt(spans, at).whole })
	rows, err = q.Query(ctx, "SELECT DISTINCT hour, user_id FROM public.sequence_stale WHERE hour = ANY($1)", hours)
	if err != nil {
		return fmt.Errorf("read stale users: %w", err)
	}
	var user string
	_, err = pgx.ForEachRow(rows, []any{&hour, &user}, func() error {
		s := spanAt(spans, hour)
		s.users = append(s.users, user)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read stale users: %w", err)
	}
	for i := range spans {
		slices.Sort(spans[i].users)
		spans[i].users = slices.Compact(spans[i].users)
	}
	return nil
}

// spanAt returns the span that contains a time; nil if there is none.
func spanAt(spans []spanState, at time.Time) *spanState {
	i, found := slices.BinarySearchFunc(spans, at, func(s spanState, at time.Time) int { return s.start.Compare(at) })
	if !found {
		i--
	}
	if i < 0 || !spans[i].end.After(at) {
		return nil
	}
	return &spans[i]
}

// SetInsightProperties sets the properties that blocks contain. Run it as
// streamctl_owner, at each deploy; Pack then packs all spans again.
func (d *DB) SetInsightProperties(ctx context.Context, paths []string) error {
	canonical := make([]string, len(paths))
	for i, path := range paths {
		canonical[i] = metric.Canonical(path)
	}
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "DELETE FROM public.sequence_property WHERE path <> ALL($1)", canonical); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "INSERT INTO public.sequence_property (path) SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING", canonical)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("set properties of sequences: %w", err)
	}
	return nil
}

// Forget deletes the blocks from (inclusive) to (exclusive), whole spans, so that Pack
// packs them again. Questions read these events from the table events meanwhile. Run it
// as streamctl_owner.
func (s *Sequences) Forget(ctx context.Context, from, to time.Time) error {
	err := s.DB.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error { return forgetSpans(ctx, tx, from, to) })
	})
	if err != nil {
		return fmt.Errorf("delete sequences: %w", err)
	}
	return nil
}

// forgetSpans deletes the spans that overlap a range. Rows of sequence_stale may remain;
// they are deleted when the hour is packed again.
func forgetSpans(ctx context.Context, tx pgx.Tx, from, to time.Time) error {
	var batch pgx.Batch
	batch.Queue(`DELETE FROM public.sequence_block b USING public.sequence_span s
		WHERE s.span_start < $2 AND s.span_end > $1 AND b.span_start = s.span_start`, from, to)
	batch.Queue("DELETE FROM public.sequence_span WHERE span_start < $2 AND span_end > $1", from, to)
	if err := tx.SendBatch(ctx, &batch).Close(); err != nil {
		return fmt.Errorf("delete spans: %w", err)
	}
	return nil
}

// DropBefore deletes the blocks of days below the retention floor, and their rows of
// sequence_stale. Run it as streamctl_owner.
func (s *Sequences) DropBefore(ctx context.Context) error {
	err := s.DB.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			floor, err := readFloor(ctx, tx)
			if err != nil || floor == nil {
				return err
			}
			var batch pgx.Batch
			batch.Queue(`DELETE FROM public.sequence_block WHERE span_start IN (SELECT span_start FROM public.sequence_span WHERE span_end <= $1)`, *floor)
			batch.Queue("DELETE FROM public.sequence_span WHERE span_end <= $1", *floor)
			batch.Queue("DELETE FROM public.sequence_stale WHERE hour < $1", *floor)
			return tx.SendBatch(ctx, &batch).Close()
		})
	})
	if err != nil {
		return fmt.Errorf("delete old sequences: %w", err)
	}
	return nil
}

// jsonPath returns the names of a property's path, for the operator #>.
func jsonPath(path string) ([]string, error) {
	names, err := metric.Names(path)
	if err != nil {
		return nil, fmt.Errorf("read property %s: %w", path, err)
	}
	return names, nil
}

// ErrSpanBusy means that another packer works on the span.
var ErrSpanBusy = errors.New("another invocation packs these events")

package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// closeAfter is the time from the end of an hour until it is packed.
	closeAfter = 5 * time.Minute
	// settleAfter is the time from the end of a day until it is packed as one span.
	settleAfter = 3 * time.Hour
	// Spans are packed again when users got further events so long ago, or when there are
	// so many users.
	staleHour, staleDay = 10 * time.Minute, 6 * time.Hour
	staleUsers          = 200
	// packDay is the number of events up to which a day is packed in one step. The hours of a
	// larger day are packed first.
	packDay = 4 * packRows
)

// packTask is a span to pack.
type packTask struct {
	from, to time.Time
	// backfill reports that the span can't be joined from blocks. The hours of a large day
	// are packed first then.
	backfill bool
}

// Pack packs what is due at a time, the newest events first, until nothing is due or
// more returns false. It packs closed hours, joins the hours of settled days, and packs
// spans again whose users got further events or whose properties are not the declared
// ones. Several calls at the same time divide the work. Run it as streamctl_owner.
func (s *Sequences) Pack(ctx context.Context, now time.Time, more func() bool) (packed int, err error) {
	done := map[packTask]bool{}
	for {
		tasks, err := s.plan(ctx, now)
		if err != nil {
			return packed, err
		}
		// A task that another call works on is not tried again.
		tasks = slices.DeleteFunc(tasks, func(t packTask) bool { return done[t] })
		if len(tasks) == 0 {
			return packed, nil
		}
		for _, t := range tasks {
			if !more() {
				return packed, nil
			}
			done[t] = true
			ok, err := s.do(ctx, t)
			if err != nil {
				return packed, err
			}
			if ok {
				packed++
			}
		}
	}
}

// do does one task; ok is false if another call does.
func (s *Sequences) do(ctx context.Context, t packTask) (ok bool, err error) {
	if t.backfill {
		n, err := s.count(ctx, t.from, t.to)
		if err != nil {
			return false, err
		}
		if n > packDay {
			return s.hours(ctx, t)
		}
	}
	err = s.Rewrite(ctx, t.from, t.to, false)
	switch state := sqlState(err); {
	case err == nil:
		return true, nil
	case errors.Is(err, ErrSpanBusy), state == lockNotAvailable, state == serializationFailure:
		return false, nil
	}
	return false, err
}

// hours packs the hours of a large day that are not packed yet.
func (s *Sequences) hours(ctx context.Context, t packTask) (ok bool, err error) {
	for at := t.to.Add(-hour); !at.Before(t.from); at = at.Add(-hour) {
		var spans []spanState
		var paths []string
		err := s.DB.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			if spans, err = readSpans(ctx, conn, at, at.Add(hour)); err != nil {
				return err
			}
			paths, err = declaredPaths(ctx, conn)
			return err
		})
		if err != nil {
			return ok, fmt.Errorf("read spans: %w", err)
		}
		if len(spans) == 1 && spans[0].usable(nil) && slices.Equal(spans[0].properties, paths) {
			continue
		}
		if len(spans) == 1 && spans[0].end.Sub(spans[0].start) > hour {
			// A day whose blocks can't be used any more.
			if err := s.Forget(ctx, t.from, t.to); err != nil {
				return ok, err
			}
		}
		one, err := s.do(ctx, packTask{from: at, to: at.Add(hour)})
		if err != nil || !one {
			return ok, err
		}
		ok = true
	}
	return ok, nil
}

func (s *Sequences) count(ctx context.Context, from, to time.Time) (n int64, err error) {
	err = s.DB.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return transact(ctx, conn, func(tx pgx.Tx) error {
			n, err = countEvents(ctx, tx, from, to, nil)
			return err
		})
	})
	return n, err
}

// plan returns the tasks that are due, in the order of their urgency.
func (s *Sequences) plan(ctx context.Context, now time.Time) ([]packTask, error) {
	var first *time.Time
	var spans []spanState
	var paths []string
	err := s.DB.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, `SELECT CASE WHEN min(e.timestamp) < f.floor THEN f.floor ELSE min(e.timestamp) END
			FROM public.events_floor f LEFT JOIN (SELECT min(timestamp) AS timestamp FROM public.events) e ON true GROUP BY f.floor`).Scan(&first)
		if err != nil || first == nil {
			return err
		}
		if spans, err = readSpans(ctx, conn, day(*first), now.Add(oneDay)); err != nil {
			return err
		}
		paths, err = declaredPaths(ctx, conn)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("plan packing: %w", err)
	}
	if first == nil {
		return nil, nil
	}
	p := planner{now: now.UTC(), paths: paths}
	for d := day(now); !d.Before(day(*first)); d = d.Add(-oneDay) {
		p.day(d, within(spans, d, d.Add(oneDay)))
	}
	return slices.Concat(p.hours, p.days, p.stale, p.changed), nil
}

// within returns the spans that begin in a range.
func within(spans []spanState, from, to time.Time) []spanState {
	i, _ := slices.BinarySearchFunc(spans, from, func(s spanState, at time.Time) int { return s.start.Compare(at) })
	j, _ := slices.BinarySearchFunc(spans, to, func(s spanState, at time.Time) int { return s.start.Compare(at) })
	return spans[i:j]
}

// planner collects tasks by their urgency.
type planner struct {
	now   time.Time
	paths []string
	// hours are closed hours, days settled days that are not one span, stale spans lack
	// events, and changed ones have other properties.
	hours, days, stale, changed []packTask
}

func (p *planner) day(d time.Time, spans []spanState) {
	end := d.Add(oneDay)
	switch {
	case len(spans) == 1 && spans[0].end.Equal(end):
		p.packed(spans[0], staleDay, d, end)
	case !p.now.Before(end.Add(settleAfter)):
		p.days = append(p.days, packTask{d, end, p.missing(d, spans)})
	default:
		for at := end.Add(-hour); !at.Before(d); at = at.Add(-hour) {
			if p.now.Before(at.Add(hour + closeAfter)) {
				continue
			}
			if s := within(spans, at, at.Add(hour)); len(s) == 1 {
				p.packed(s[0], staleHour, at, at.Add(hour))
				continue
			}
			p.hours = append(p.hours, packTask{at, at.Add(hour), false})
		}
	}
}

// missing reports whether a day can't be joined from the blocks of its hours.
func (p *planner) missing(d time.Time, spans []spanState) bool {
	covered := time.Duration(0)
	for _, s := range spans {
		if !s.usable(nil) || !slices.Equal(s.properties, p.paths) {
			return true
		}
		covered += s.end.Sub(s.start)
	}
	return covered != oneDay
}

// packed adds a task for a span that is packed, or marked by a packer that did not end.
func (p *planner) packed(s spanState, after time.Duration, from, to time.Time) {
	t := packTask{from, to, to.Sub(from) > hour && (!s.usable(nil) || !slices.Equal(s.properties, p.paths))}
	switch {
	case !s.packed:
		p.hours = append(p.hours, t)
	case s.whole || len(s.users) > staleUsers || !s.since.IsZero() && p.now.Sub(s.since) >= after:
		p.stale = append(p.stale, t)
	case !slices.Equal(s.properties, p.paths):
		p.changed = append(p.changed, t)
	}
}

package maintenance

import (
	"context"
	"time"

	"github.com/streamctl/streamctl/internal/analyze"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Rollups are the rollups to recount; *warehouse.DB satisfies it.
type Rollups interface {
	RollupSpan(context.Context) (from, to time.Time, ok bool, err error)
	RebuildRollups(ctx context.Context, from, to time.Time, analyze func(event.Event) ([]metric.Contribution, error), step *warehouse.JobStep) error
	Floor(context.Context) (time.Time, error)
}

// span is the rest of a time range.
type span struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

const (
	// longStep is the time above which the next step recounts half the time
	// range, because loads are locked out meanwhile. Below shortStep it recounts
	// twice the range.
	longStep  = 400 * time.Millisecond
	shortStep = 100 * time.Millisecond
	// maxSpan is the longest range of a step.
	maxSpan = 6 * time.Hour
)

// rollups recounts the rollups from the events, oldest first.
type rollups struct {
	s    *slice
	rest span
	step time.Duration
}

func newRollups(ctx context.Context, s *slice) (worker, error) {
	r := &rollups{s: s, step: 10 * time.Minute}
	if err := s.cursor(&r.rest); err != nil || !r.rest.To.IsZero() {
		return r, err
	}
	from, to, err := s.rebuildSpan(ctx)
	if err != nil {
		return nil, err
	}
	r.rest = span{from, to}
	return r, s.save(ctx, r.rest, func(c map[string]int64) { c[countTotal] = minutes(r.rest.From, r.rest.To) })
}

// rebuildSpan returns the range to rebuild, in whole minutes above the retention floor:
// the given range; without one, that of all events and rollups.
func (s *slice) rebuildSpan(ctx context.Context) (from, to time.Time, err error) {
	from, to, ok, err := s.Warehouse.Rollups.RollupSpan(ctx)
	if err != nil {
		return from, to, err
	}
	floor, err := s.Warehouse.Rollups.Floor(ctx)
	if err != nil {
		return from, to, err
	}
	if !ok {
		now := s.Clock.Now().UTC().Truncate(time.Minute)
		return now, now, nil
	}
	if p := s.params; !p.From.IsZero() {
		from = p.From
	}
	if p := s.params; !p.To.IsZero() {
		to = p.To
	}
	if from.Before(floor) {
		from = floor
	}
	return from.UTC().Truncate(time.Minute), to.UTC().Add(time.Minute - 1).Truncate(time.Minute), nil
}

func minutes(from, to time.Time) int64 { return max(0, int64(to.Sub(from)/time.Minute)) }

func (r *rollups) next(ctx context.Context) (done bool, err error) {
	if !r.rest.From.Before(r.rest.To) {
		return true, nil
	}
	end := r.rest.From.Add(r.step)
	if end.After(r.rest.To) {
		end = r.rest.To
	}
	n := minutes(r.rest.From, end)
	rest := span{end, r.rest.To}
	step, recorded, err := r.s.step(rest, func(_ warehouse.Loaded, c map[string]int64) { c[countDone] += n })
	if err != nil {
		return false, err
	}
	began := r.s.Clock.Now()
	if err := r.s.Warehouse.Rollups.RebuildRollups(ctx, r.rest.From, end, analyze.Measures, step); err != nil {
		return false, err
	}
	recorded()
	took := r.s.Clock.Now().Sub(began)
	switch {
	case took > longStep:
		r.step = max(time.Minute, (r.step / 2).Truncate(time.Minute))
	case took < shortStep:
		r.step = min(maxSpan, 2*r.step)
	}
	// Loads wait for the whole step: give them as much time before the next one.
	r.rest, r.s.pace.rest = rest, took
	return !rest.From.Before(rest.To), nil
}

// cacheAt is how far a rebuild of the cache has come: the rest of the minutes,
// then the rest of the days of users. Begun means that the watermark is
// deleted.
type cacheAt struct {
	Minutes span `json:"minutes"`
	Days    span `json:"days"`
}

const (
	// cacheSpan is the range of minutes of a step.
	cacheSpan = 2 * time.Hour
	day       = 24 * time.Hour
)

// refill refills the cache from the warehouse.
type refill struct {
	s  *slice
	at cacheAt
}

func newRefill(ctx context.Context, s *slice) (worker, error) {
	r := &refill{s: s}
	if err := s.cursor(&r.at); err != nil || !r.at.Minutes.To.IsZero() {
		return r, err
	}
	if err := s.Cache.StartRebuild(ctx); err != nil {
		return nil, err
	}
	now := s.Clock.Now().UTC()
	today := now.Truncate(day)
	r.at = cacheAt{
		Minutes: span{now.Add(-cache.Window).Truncate(time.Minute), now.Add(cache.Ahead).Truncate(time.Minute)},
		Days:    span{today.AddDate(0, 0, -cache.UserDays), today.AddDate(0, 0, 2)},
	}
	total := minutes(r.at.Minutes.From, r.at.Minutes.To) + minutes(r.at.Days.From, r.at.Days.To)
	return r, s.save(ctx, r.at, func(c map[string]int64) { c[countTotal] = total })
}

func (r *refill) next(ctx context.Context) (done bool, err error) {
	at := r.at
	switch {
	case at.Minutes.From.Before(at.Minutes.To):
		// The newest minutes first: they are queried most.
		from := at.Minutes.To.Add(-cacheSpan)
		if from.Before(at.Minutes.From) {
			from = at.Minutes.From
		}
		if _, err := r.s.Cache.RebuildMinutes(ctx, r.s.Warehouse.Source, from, at.Minutes.To); err != nil {
			return false, err
		}
		at.Minutes.To = from
	case at.Days.From.Before(at.Days.To):
		last := at.Days.To.Add(-day)
		if err := r.s.Cache.RebuildUsers(ctx, r.s.Warehouse.Source, last); err != nil {
			return false, err
		}
		at.Days.To = last
	default:
		return true, nil
	}
	n := minutes(at.Minutes.To, r.at.Minutes.To) + minutes(at.Days.To, r.at.Days.To)
	if err := r.s.save(ctx, at, func(c map[string]int64) { c[countDone] += n }); err != nil {
		return false, err
	}
	r.at = at
	return !at.Minutes.From.Before(at.Minutes.To) && !at.Days.From.Before(at.Days.To), nil
}

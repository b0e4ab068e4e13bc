package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func (h *Handler) events(ctx context.Context, r seriesRequest, now time.Time) (EventsAnswer, error) {
	a := EventsAnswer{Metric: "events", From: r.from, To: r.to, StepSeconds: int64(r.step / time.Second), Points: []Point{}}
	points, o, err := h.series(ctx, r, now)
	if err != nil {
		return a, err
	}
	a.Origin = o
	for _, p := range points {
		if r.eventType == "" || p.EventType == r.eventType {
			a.Points = append(a.Points, p)
		}
	}
	return a, nil
}

// series reads steps from the cache when all of them can be there, else from
// the warehouse.
func (h *Handler) series(ctx context.Context, r seriesRequest, now time.Time) ([]Point, Origin, error) {
	kept := r.from.Add(cache.Window).After(now.Add(time.Minute)) && !r.to.After(now.Add(cache.Ahead))
	if kept && r.to.Sub(r.from) <= maxCached {
		return h.recent(ctx, r, now)
	}
	loaded, err := h.Warehouse.Series(ctx, warehouse.MetricEvents, r.from, r.to, r.step)
	if err != nil {
		return nil, Origin{}, fmt.Errorf("%w: %w", errUnavailable, err)
	}
	points := make([]Point, len(loaded))
	for i, p := range loaded {
		points[i] = Point{At: p.At, EventType: p.Dimension, Count: p.N}
	}
	return points, origin(false, true, now, now), nil
}

// recent adds minutes up. What the cache lacks it is given on the way.
func (h *Handler) recent(ctx context.Context, r seriesRequest, now time.Time) ([]Point, Origin, error) {
	var minutes []time.Time
	for m := r.from; m.Before(r.to); m = m.Add(time.Minute) {
		minutes = append(minutes, m)
	}
	cacheCtx, cancel := context.WithTimeout(ctx, cacheTime)
	found, err := h.Cache.Minutes(cacheCtx, warehouse.MetricEvents, minutes)
	cancel()
	cacheDown := err != nil
	if cacheDown {
		h.cacheFailed(ctx, err)
		found = cache.Minutes{Missing: minutes}
	}
	h.count(ctx, len(minutes)-len(found.Missing), len(found.Missing))
	rows, asOf := found.Rows, found.AsOf
	if len(found.Missing) > 0 {
		loaded, err := h.fill(ctx, found.Missing, cacheDown)
		if err != nil {
			return nil, Origin{}, fmt.Errorf("%w: %w", errUnavailable, err)
		}
		rows = append(rows, loaded...)
		if asOf.IsZero() {
			asOf = now
		}
	}
	cached, loaded := len(found.Missing) < len(minutes), len(found.Missing) > 0
	return addUp(rows, r), origin(cached, loaded, asOf, now), nil
}

func (h *Handler) fill(ctx context.Context, missing []time.Time, cacheDown bool) ([]warehouse.MinuteRow, error) {
	if cacheDown {
		return h.Warehouse.MinuteRows(ctx, warehouse.MetricEvents, missing)
	}
	rows, err := h.Cache.Fill(ctx, h.Warehouse, warehouse.MetricEvents, missing)
	var notWritten *cache.WriteError
	if errors.As(err, &notWritten) {
		h.cacheFailed(ctx, err)
		return rows, nil
	}
	return rows, err
}

// addUp adds rows up by step and type.
func addUp(rows []warehouse.MinuteRow, r seriesRequest) []Point {
	type key struct {
		at   int64
		kind string
	}
	sums := map[key]int64{}
	for _, row := range rows {
		at := r.from.Add(row.Minute.Sub(r.from) / r.step * r.step)
		sums[key{at.Unix(), row.Dimension}] += row.N
	}
	points := make([]Point, 0, len(sums))
	for k, n := range sums {
		if n != 0 {
			points = append(points, Point{At: time.Unix(k.at, 0).UTC(), EventType: k.kind, Count: n})
		}
	}
	slices.SortFunc(points, func(a, b Point) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.EventType, b.EventType))
	})
	return points
}

func (h *Handler) users(ctx context.Context, r daysRequest, now time.Time) (UsersAnswer, error) {
	a := UsersAnswer{Metric: "users", Days: []Day{}}
	var names []string
	for d := r.first; !d.After(r.last); d = d.AddDate(0, 0, 1) {
		names = append(names, d.Format(cache.DayLayout))
	}
	cacheCtx, cancel := context.WithTimeout(ctx, cacheTime)
	estimates, asOf, err := h.Cache.CountUsers(cacheCtx, names)
	cancel()
	if err != nil {
		h.cacheFailed(ctx, err)
	}
	var exact map[string]int64
	if len(estimates) < len(names) {
		if exact, err = h.Warehouse.CountUsers(ctx, r.first, r.last); err != nil {
			return a, fmt.Errorf("%w: %w", errUnavailable, err)
		}
	}
	cached, loaded := false, false
	for d := r.first; !d.After(r.last); d = d.AddDate(0, 0, 1) {
		name := d.Format(cache.DayLayout)
		day := Day{Day: d.Format(time.DateOnly)}
		if exact != nil { // it was counted anyway
			day.Users, day.Exact, loaded = exact[name], true, true
		} else {
			day.Users, cached = estimates[name], true
		}
		a.Days = append(a.Days, day)
	}
	if loaded {
		asOf = now
	}
	a.Origin = origin(cached, loaded, asOf, now)
	return a, nil
}

func (h *Handler) summary(ctx context.Context, now time.Time) (SummaryAnswer, error) {
	to := now.Truncate(time.Minute).Add(time.Minute)
	r := seriesRequest{from: to.Add(-time.Hour), to: to, step: time.Hour}
	a := SummaryAnswer{Metric: "summary", From: r.from, To: r.to, ByType: map[string]int64{}}
	points, o, err := h.series(ctx, r, now)
	if err != nil {
		return a, err
	}
	for _, p := range points {
		a.Events += p.Count
		a.ByType[p.EventType] += p.Count
	}
	today := now.Truncate(24 * time.Hour)
	users, err := h.users(ctx, daysRequest{first: today, last: today}, now)
	if err != nil {
		return a, err
	}
	a.UsersToday = users.Days[0]
	a.Origin = merge(o, users.Origin)
	return a, nil
}

// merge is the origin of an answer of two parts.
func merge(a, b Origin) Origin {
	m := Origin{Source: a.Source, Stale: a.Stale || b.Stale, AsOf: a.AsOf}
	if a.Source != b.Source {
		m.Source = fromBoth
	}
	if a.AsOf == nil || b.AsOf == nil {
		m.AsOf = nil
	} else if b.AsOf.Before(*a.AsOf) {
		m.AsOf = b.AsOf
	}
	return m
}

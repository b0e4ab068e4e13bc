package query

import (
	"context"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cache"
)

// users serves /metrics/users.
func (h *Handler) users(ctx context.Context, r daysRequest, now time.Time) (result, error) {
	days, origin, err := h.countUsers(ctx, r, now)
	if err != nil {
		return result{}, err
	}
	ended := r.last.AddDate(0, 0, 1)
	a := api.MetricResponse{Metric: api.MetricUsers, Origin: dropAsOf(origin, ended, now), Days: days}
	return result{a, ended, a.Stale}, nil
}

// countUsers uses the cache's estimates if it has every day, and otherwise
// counts exactly.
func (h *Handler) countUsers(ctx context.Context, r daysRequest, now time.Time) (days []api.UsersDay, from api.Origin, err error) {
	var names []string
	for d := r.first; !d.After(r.last); d = d.AddDate(0, 0, 1) {
		days = append(days, api.UsersDay{Day: d.Format(time.DateOnly)})
		names = append(names, d.Format(cache.DayLayout))
	}
	cacheCtx, cancel := context.WithTimeout(ctx, cacheTime)
	defer cancel()
	counts, asOf, err := h.Cache.CountUsers(cacheCtx, names)
	if err != nil {
		h.cacheFailed(ctx, err)
	}
	from = origin(true, false, asOf, now)
	exact := len(counts) < len(names)
	if exact {
		from = fresh(now)
		if counts, err = h.Warehouse.CountUsers(ctx, r.first, r.last); err != nil {
			return nil, from, fmt.Errorf("%w: %w", errUnavailable, err)
		}
	}
	var floor time.Time
	if exact && len(counts) < len(names) { // a day without users, or a dropped day
		if floor, err = h.Warehouse.Floor(ctx); err != nil {
			return nil, from, fmt.Errorf("%w: %w", errUnavailable, err)
		}
	}
	for i, name := range names {
		n, counted := counts[name]
		days[i].Exact = exact
		if counted || !r.first.AddDate(0, 0, i).Before(floor) {
			days[i].Users = &n
		}
	}
	return days, from, nil
}

// summary serves /metrics/summary.
func (h *Handler) summary(ctx context.Context, now time.Time) (result, error) {
	to := now.Truncate(time.Minute).Add(time.Minute)
	s := span{to.Add(-time.Hour), to, time.Hour}
	points, origin, err := h.read(ctx, eventsSeries.key, s, now)
	if err != nil {
		return result{}, err
	}
	today := now.Truncate(24 * time.Hour)
	users, counted, err := h.countUsers(ctx, daysRequest{first: today, last: today}, now)
	if err != nil {
		return result{}, err
	}
	var total int64
	byType := map[string]int64{}
	for _, p := range points {
		total += p.N
		byType[p.Dimension] += p.N
	}
	a := api.MetricResponse{
		Metric: api.MetricSummary, From: &s.from, To: &to, Origin: merge(origin, counted), Events: &total, ByType: byType, UsersToday: &users[0],
	}
	return result{a, to, a.Stale}, nil
}

package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
)

// Cache is the cache to refresh and to rebuild; *cache.Cache satisfies it.
type Cache interface {
	Refresh(context.Context, cache.Warehouse) (minutes int, err error)
	AddUsers(ctx context.Context, byDay map[string][]string) error
	StartRebuild(context.Context) error
	RebuildMinutes(ctx context.Context, w cache.Warehouse, from, to time.Time) (minutes int, err error)
	RebuildUsers(ctx context.Context, w cache.Warehouse, day time.Time) error
}

// refreshTime is the timeout of a refresh: the next one starts a minute later.
const refreshTime = 55 * time.Second

// refresh updates the cache, and evaluates the alerts. It first creates the partitions
// that a load
// requested, because a shard waits for them.
func (h *Handler) refresh(parent context.Context) error {
	ctx, cancel := context.WithTimeout(parent, refreshTime)
	defer cancel()
	today := h.Clock.Now()
	made, daysErr := h.Warehouse.Days.EnsurePartitions(ctx, today, today, h.Clock.For)
	given, placesErr := h.Warehouse.Values.GivePlaces(ctx)
	minutes, err := h.Cache.Refresh(ctx, h.Warehouse.Source)
	failed := 0.0
	if err != nil {
		failed = 1
		err = fmt.Errorf("refresh cache: %w", err)
	}
	h.Log.InfoContext(ctx, "cache refreshed", "minutes", minutes, "days", made, "values", given)
	h.Metrics.Emit(ctx, emf.Metric{Name: contract.MetricCacheErrors, Value: failed})
	return errors.Join(daysErr, placesErr, err, watch{h, map[alert.Series]series{}}.alerts(ctx), h.report(ctx), h.pack(parent))
}

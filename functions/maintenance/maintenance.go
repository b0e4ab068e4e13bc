// Package maintenance does what has a time of its own: each minute it
// refreshes the cache, each hour it makes the warehouse's days.
package maintenance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/funcenv"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Warehouse is what maintenance needs of it; *warehouse.DB has it.
type Warehouse interface {
	cache.Warehouse
	MakeDays(ctx context.Context, first, last time.Time, pause func(context.Context, time.Duration) error) (made int, err error)
	Horizon(ctx context.Context, today time.Time) (days int, err error)
	ForgetBatches(context.Context) error
}

// Cache is what is refreshed; *cache.Cache is one.
type Cache interface {
	Refresh(context.Context, cache.Warehouse) (minutes int, err error)
}

// Metrics takes counts; *emf.Writer does.
type Metrics interface {
	Emit(metrics ...emf.Metric) error
}

// Handler answers the scheduled invocations.
type Handler struct {
	Warehouse Warehouse
	Cache     Cache
	// MaxAgeDays is how many past days have a partition ready.
	MaxAgeDays int
	Now        func() time.Time
	// Pause waits between tries, or returns the context's error.
	Pause   func(context.Context, time.Duration) error
	Metrics Metrics
	Log     *slog.Logger
}

// Handle does one task. Its error makes Lambda try again, and counts.
func (h *Handler) Handle(ctx context.Context, task funcenv.MaintenanceTask) error {
	switch task.Task {
	case funcenv.TaskRefresh:
		return h.refresh(ctx)
	case funcenv.TaskPartitions:
		return h.partitions(ctx)
	}
	return fmt.Errorf("do task %q: not one of %q, %q", task.Task, funcenv.TaskRefresh, funcenv.TaskPartitions)
}

// refresh brings the cache up to date. The days that a load asked for come
// first: they hold up a shard.
func (h *Handler) refresh(ctx context.Context) error {
	today := h.Now()
	made, daysErr := h.Warehouse.MakeDays(ctx, today, today, h.Pause)
	minutes, err := h.Cache.Refresh(ctx, h.Warehouse)
	failed := 0.0
	if err != nil {
		failed = 1
		err = fmt.Errorf("refresh cache: %w", err)
	}
	h.Log.InfoContext(ctx, "cache refreshed", "minutes", minutes, "days", made)
	return errors.Join(daysErr, err, h.Metrics.Emit(emf.Metric{Name: funcenv.MetricCacheErrors, Value: failed}), h.horizon(ctx))
}

// partitions makes the days from the oldest that ingest accepts to a week
// ahead, and tells how far ahead they reach.
func (h *Handler) partitions(ctx context.Context) error {
	today := h.Now()
	made, err := h.Warehouse.MakeDays(ctx, today.AddDate(0, 0, -h.MaxAgeDays), today.AddDate(0, 0, warehouse.DaysAhead), h.Pause)
	h.Log.InfoContext(ctx, "days made", "made", made)
	return errors.Join(err, h.horizon(ctx), h.Warehouse.ForgetBatches(ctx))
}

// horizon tells how far ahead the days reach.
func (h *Handler) horizon(ctx context.Context) error {
	days, err := h.Warehouse.Horizon(ctx, h.Now())
	if err != nil {
		return err
	}
	return h.Metrics.Emit(emf.Metric{Name: funcenv.MetricHorizon, Value: float64(days)})
}

// Package maintenance does what has a time of its own: each minute it
// refreshes the cache; each hour it makes the warehouse's days, drops those that
// are over, and compares the warehouse with the archive.
package maintenance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Warehouse is what maintenance needs of it; *warehouse.DB has it.
type Warehouse interface {
	cache.Warehouse
	MakeDays(ctx context.Context, first, last time.Time, pause func(context.Context, time.Duration) error) (made int, err error)
	Horizon(ctx context.Context, today time.Time) (days int, err error)
	ForgetBatches(context.Context) error
	// GivePlaces and ReleaseValues decide which values of a metric have rows of
	// their own.
	GivePlaces(context.Context) (given int, err error)
	ReleaseValues(ctx context.Context, unseenSince time.Time) (released int, err error)
	Values
	DropDays(ctx context.Context, before time.Time, pause func(context.Context, time.Duration) error) (warehouse.Retained, error)
	FirstArrival(context.Context) (at time.Time, ok bool, err error)
	UncleanHours(ctx context.Context, oldest, newest, again time.Time, limit int) ([]time.Time, error)
	ComparedObjects(ctx context.Context, hour time.Time) (keys map[string]bool, err error)
	CompareObject(ctx context.Context, hour time.Time, key string, lines []warehouse.ArchivedLine) error
	CloseHour(ctx context.Context, hour time.Time, keys []string) (warehouse.HourState, error)
	Unreconciled(ctx context.Context, now time.Time) (int, error)
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
	Archive   Archive
	// MaxAgeDays is how many past days have a partition ready.
	MaxAgeDays int
	// RetentionDays is how many days events stay; 0 keeps all.
	RetentionDays int
	Now           func() time.Time
	// Pause waits between tries, or returns the context's error.
	Pause   func(context.Context, time.Duration) error
	Metrics Metrics
	Log     *slog.Logger
}

// Do does a task and returns its result. Its error makes Lambda try a scheduled
// task again, and counts.
func (h *Handler) Do(ctx context.Context, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
	if task.Task == contract.TaskForget {
		r.Forgotten, err = h.forget(ctx, task)
		return r, err
	}
	return r, h.Handle(ctx, task)
}

// Handle does a task that has no result.
func (h *Handler) Handle(ctx context.Context, task contract.MaintenanceTask) error {
	switch task.Task {
	case contract.TaskRefresh:
		return h.refresh(ctx)
	case contract.TaskUpkeep:
		return h.upkeep(ctx)
	}
	return fmt.Errorf("do task %q: not one of %q, %q, %q", task.Task, contract.TaskRefresh, contract.TaskUpkeep, contract.TaskForget)
}

// forget does TaskForget.
func (h *Handler) forget(ctx context.Context, task contract.MaintenanceTask) ([]string, error) {
	forgotten, err := Forget(ctx, h.Warehouse, task)
	if err == nil {
		h.Log.InfoContext(ctx, "values forgotten", "metric", task.Metric, "values", forgotten)
	}
	return forgotten, err
}

// Values are a warehouse's places of dimension values; *warehouse.DB has them.
type Values interface {
	ForgetValues(ctx context.Context, metric string, values []string) (forgotten []string, err error)
	MetricKey(ctx context.Context, name string) (key string, by int, ok bool, err error)
}

// Forget takes the places of values of a metric, and returns those that had one.
func Forget(ctx context.Context, w Values, task contract.MaintenanceTask) ([]string, error) {
	key, _, ok, err := w.MetricKey(ctx, task.Metric)
	if err == nil && !ok {
		err = fmt.Errorf("there is no metric %q", task.Metric)
	}
	if err == nil && len(task.Values) == 0 {
		err = errors.New("values: want at least one")
	}
	if err != nil {
		return nil, fmt.Errorf("forget values: %w", err)
	}
	return w.ForgetValues(ctx, key, task.Values)
}

// refreshTime bounds a refresh: the next one comes a minute after it.
const refreshTime = 55 * time.Second

// refresh brings the cache up to date. The days that a load asked for come
// first: they hold up a shard.
func (h *Handler) refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	today := h.Now()
	made, daysErr := h.Warehouse.MakeDays(ctx, today, today, h.Pause)
	given, placesErr := h.Warehouse.GivePlaces(ctx)
	minutes, err := h.Cache.Refresh(ctx, h.Warehouse)
	failed := 0.0
	if err != nil {
		failed = 1
		err = fmt.Errorf("refresh cache: %w", err)
	}
	h.Log.InfoContext(ctx, "cache refreshed", "minutes", minutes, "days", made, "values", given)
	return errors.Join(daysErr, placesErr, err, h.Metrics.Emit(emf.Metric{Name: contract.MetricCacheErrors, Value: failed}), h.tell(ctx))
}

// upkeep makes the days from the oldest that ingest accepts to a week ahead,
// drops those that are over, and compares the archive. What fails stops nothing
// of the rest.
func (h *Handler) upkeep(ctx context.Context) error {
	today := h.Now()
	made, err := h.Warehouse.MakeDays(ctx, today.AddDate(0, 0, -h.MaxAgeDays), today.AddDate(0, 0, warehouse.DaysAhead), h.Pause)
	h.Log.InfoContext(ctx, "days made", "made", made)
	released, placesErr := h.Warehouse.ReleaseValues(ctx, today.AddDate(0, 0, -warehouse.ReleaseAfterDays))
	h.Log.InfoContext(ctx, "unused dimension values released", "values", released)
	return errors.Join(err, placesErr, h.reconcile(ctx), h.retain(ctx), h.tell(ctx), h.Warehouse.ForgetBatches(ctx))
}

// tell tells how far ahead the days reach, and what of the archive is overdue.
func (h *Handler) tell(ctx context.Context) error {
	days, daysErr := h.Warehouse.Horizon(ctx, h.Now())
	overdue, err := h.Warehouse.Unreconciled(ctx, h.Now())
	if err := errors.Join(daysErr, err); err != nil {
		return err
	}
	return h.Metrics.Emit(
		emf.Metric{Name: contract.MetricHorizon, Value: float64(days)},
		emf.Metric{Name: contract.MetricUnreconciled, Value: float64(overdue)},
	)
}

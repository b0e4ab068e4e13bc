package maintenance

import (
	"context"
	"errors"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Days are the warehouse's partitions; *warehouse.DB satisfies it.
type Days interface {
	EnsurePartitions(ctx context.Context, first, last time.Time, pause func(context.Context, time.Duration) error) (made int, err error)
	// Horizon returns how many whole days after today have a partition.
	Horizon(ctx context.Context, today time.Time) (days int, err error)
	// SchemaVersion returns the number of the newest migration.
	SchemaVersion(context.Context) (int, error)
}

// upkeep creates the partitions from the oldest day that ingest accepts to a
// week ahead, drops expired days, and compares the warehouse with the archive.
// A step that fails does not stop later steps.
func (h *Handler) upkeep(ctx context.Context) error {
	today := h.Clock.Now()
	made, err := h.Warehouse.Days.EnsurePartitions(ctx, today.AddDate(0, 0, -h.env.EventMaxAgeDays), today.AddDate(0, 0, warehouse.DaysAhead), h.Clock.For)
	h.Log.InfoContext(ctx, "days made", "made", made)
	released, placesErr := h.Warehouse.Values.ReleaseValues(ctx, today.AddDate(0, 0, -warehouse.ReleaseAfterDays))
	h.Log.InfoContext(ctx, "unused dimension values released", "values", released)
	return errors.Join(err, placesErr, h.reconcile(ctx), h.retain(ctx), h.Warehouse.Sequences.DropBefore(ctx), h.report(ctx), h.Warehouse.Retention.ForgetBatches(ctx), h.Warehouse.Retention.DeleteOldJobs(ctx), h.Warehouse.Alerts.DeleteOldChanges(ctx))
}

// report emits how far ahead partitions exist, the number of cases that Unreconciled
// counts, and the schema's version. A value that can't be read is not emitted.
func (h *Handler) report(ctx context.Context) error {
	days, daysErr := h.Warehouse.Days.Horizon(ctx, h.Clock.Now())
	overdue, err := h.Warehouse.Hours.Unreconciled(ctx, h.Clock.Now())
	if err := errors.Join(daysErr, err); err != nil {
		return err
	}
	version, err := h.Warehouse.Days.SchemaVersion(ctx)
	if err == nil {
		h.Metrics.Emit(ctx, emf.Metric{Name: contract.MetricSchema, Value: float64(version)})
	}
	h.Metrics.Emit(ctx,
		emf.Metric{Name: contract.MetricHorizon, Value: float64(days)},
		emf.Metric{Name: contract.MetricUnreconciled, Value: float64(overdue)},
	)
	return err
}

package maintenance

import (
	"context"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/warehouse"
)

// Retention deletes old data; *warehouse.DB satisfies it.
type Retention interface {
	DropDays(ctx context.Context, before time.Time, pause func(context.Context, time.Duration) error) (warehouse.Retained, error)
	// ForgetBatches deletes old rows of load_batch.
	ForgetBatches(context.Context) error
	// DeleteOldJobs deletes jobs that ended long ago.
	DeleteOldJobs(context.Context) error
}

// retain drops expired days whose events are known to be archived.
func (h *Handler) retain(ctx context.Context) error {
	if h.env.WarehouseRetentionDays == 0 {
		return nil
	}
	limit, err := h.retentionLimit()
	if err != nil {
		return err
	}
	done, err := h.Warehouse.Retention.DropDays(ctx, limit, h.Clock.For)
	if len(done.Dropped) > 0 {
		h.Log.InfoContext(ctx, "days dropped", "days", dates(done.Dropped))
	}
	if len(done.Kept) > 0 {
		h.Log.WarnContext(ctx, "days kept because they may not be archived", "days", dates(done.Kept))
	}
	return err
}

// maxRetentionDays is a hundred years. Far larger numbers overflow the calendar
// and would give a limit in the future.
const maxRetentionDays = 36_500

// retentionLimit returns the time before which events are dropped. It returns
// an error unless that is more than a day in the past.
func (h *Handler) retentionLimit() (time.Time, error) {
	now := h.Clock.Now()
	limit := now.AddDate(0, 0, -h.env.WarehouseRetentionDays)
	if h.env.WarehouseRetentionDays < 1 || h.env.WarehouseRetentionDays > maxRetentionDays || limit.After(now.AddDate(0, 0, -1)) {
		return time.Time{}, fmt.Errorf("apply retention: WarehouseRetentionDays %d is outside 1..%d; nothing was dropped", h.env.WarehouseRetentionDays, maxRetentionDays)
	}
	return limit, nil
}

func dates(days []time.Time) []string {
	out := make([]string, len(days))
	for i, d := range days {
		out[i] = d.Format(time.DateOnly)
	}
	return out
}

package local

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
)

// schedule does a task of maintenance now, at every interval from then on, and
// whenever early says so, until ctx ends. A nil early says nothing. result receives
// how each one ended.
func schedule(ctx context.Context, f *function, task string, every time.Duration, early <-chan struct{}, result func(task string, err error), log *slog.Logger) {
	payload, err := json.Marshal(contract.MaintenanceTask{Task: task})
	if err != nil {
		log.ErrorContext(ctx, "task not written", "task", task, "err", err)
		return
	}
	for {
		next := time.NewTimer(every)
		_, err := f.Invoke(ctx, payload)
		if ctx.Err() == nil {
			result(task, err)
		}
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "task failed, done again at its next time", "task", task, "err", err)
		}
		select {
		case <-ctx.Done():
			next.Stop()
			return
		case <-next.C:
		case <-early:
			next.Stop()
		}
	}
}

package local

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
)

// schedule runs a maintenance task now, then at every interval and whenever
// early is signaled, until ctx ends. early may be nil. result receives the
// result of each run.
func schedule(ctx context.Context, f *function, task string, every time.Duration, early <-chan struct{}, result func(task string, err error), log *slog.Logger) {
	payload, err := json.Marshal(contract.MaintenanceTask{Task: task})
	if err != nil {
		log.ErrorContext(ctx, "could not encode task", "task", task, "err", err)
		return
	}
	for {
		next := time.NewTimer(every)
		_, err := f.Invoke(ctx, payload)
		if ctx.Err() == nil {
			result(task, err)
		}
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "task failed; it runs again at the next interval", "task", task, "err", err)
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

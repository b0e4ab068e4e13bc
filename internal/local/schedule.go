package local

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/streamctl/streamctl/internal/funcenv"
	"github.com/streamctl/streamctl/internal/pause"
)

// schedule does a task of maintenance now and at every interval from then on,
// until ctx ends.
func schedule(ctx context.Context, f *function, task string, every time.Duration, log *slog.Logger) {
	payload, err := json.Marshal(funcenv.MaintenanceTask{Task: task})
	if err != nil {
		log.ErrorContext(ctx, "task not written", "task", task, "err", err)
		return
	}
	for {
		next := time.Now().Add(every)
		if _, err := f.Invoke(ctx, payload); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "task failed, done again at its next time", "task", task, "err", err)
		}
		if pause.For(ctx, time.Until(next)) != nil {
			return
		}
	}
}

// Package maintenance runs the scheduled tasks. Every minute it refreshes the
// cache; every hour it creates the warehouse's partitions, drops expired days,
// and compares the warehouse with the archive. On request it releases dimension
// values.
package maintenance

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Warehouse is the warehouse from each task's view; see On.
type Warehouse struct {
	Days      Days
	Values    Values
	Hours     Hours
	Retention Retention
	Source    cache.Warehouse
}

// On returns the warehouse for a login as contract.RoleOwner.
func On(db *warehouse.DB) Warehouse {
	return Warehouse{Days: db, Values: db, Hours: db, Retention: db, Source: db}
}

// Deps are the dependencies of a Handler.
type Deps struct {
	Warehouse Warehouse
	Cache     Cache
	Archive   Archive
	Clock     pause.Clock
	Metrics   emf.Emitter
	Log       *slog.Logger
}

// Handler handles the invocations of schedules and operators.
type Handler struct {
	Deps
	env contract.Maintenance
}

// New returns a handler.
func New(env contract.Maintenance, d Deps) *Handler { return &Handler{d, env} }

// Do runs a task and returns its result. After an error, Lambda retries a
// scheduled task and counts the error.
func (h *Handler) Do(ctx context.Context, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
	switch task.Task {
	case contract.TaskForget:
		if r.Forgotten, err = Forget(ctx, h.Warehouse.Values, task); err == nil {
			h.Log.InfoContext(ctx, "values forgotten", "metric", task.Metric, "values", r.Forgotten)
		}
		return r, err
	case contract.TaskRefresh:
		return r, h.refresh(ctx)
	case contract.TaskUpkeep:
		return r, h.upkeep(ctx)
	}
	return r, fmt.Errorf("run task %q: not one of %q, %q, %q", task.Task, contract.TaskRefresh, contract.TaskUpkeep, contract.TaskForget)
}

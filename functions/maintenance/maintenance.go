// Package maintenance runs the scheduled tasks. Every minute it refreshes the
// cache and packs events by user; every hour it creates the warehouse's partitions, drops expired days,
// and compares the warehouse with the archive. On request it works on the jobs
// of operators, in slices: it replays events, rebuilds rollups and the cache,
// reconciles hours, and retries lines in quarantine.
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
	Days       Days
	Values     Values
	Hours      Hours
	Ledger     Ledger
	Retention  Retention
	Rollups    Rollups
	Quarantine Quarantine
	Jobs       Jobs
	Sequences  Sequences
	People     People
	Source     cache.Warehouse
	Alerts     Alerts
	Numbers    Numbers
}

// On returns the warehouse for a login as contract.RoleOwner.
func On(db *warehouse.DB) Warehouse {
	return Warehouse{Days: db, Values: db, Hours: db, Ledger: db, Retention: db, Rollups: db, Quarantine: db, Jobs: db, Sequences: &warehouse.Sequences{DB: db}, People: db, Source: db, Alerts: db, Numbers: db}
}

// Deps are the dependencies of a Handler.
type Deps struct {
	Warehouse Warehouse
	// Loader loads the events of jobs, as contract.RoleLoader.
	Loader  Loader
	Cache   Cache
	Archive Archive
	// Kept and Objects read and write further objects of the archive's bucket.
	Kept    GivenUp
	Objects Objects
	// Other returns the archive in another bucket.
	Other   func(bucket string) (Archive, error)
	Clock   pause.Clock
	Metrics emf.Emitter
	Log     *slog.Logger
	// Notify receives the changes of alerts, and the alerts; nil drops them.
	Notify func(context.Context, []warehouse.Alert, []warehouse.AlertChange)
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
	return h.operate(ctx, task)
}

// operate runs a task of an operator.
func (h *Handler) operate(ctx context.Context, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
	switch task.Task + " " + task.Action {
	case contract.TaskReplay + " " + contract.ActionPlan:
		return h.plan(ctx, task)
	case contract.TaskReplay + " " + contract.ActionRun:
		return h.runJob(ctx, contract.JobReplay, task, func(s *slice) (worker, error) {
			if s.params.Source == contract.SourceQuarantine {
				return newRetry(ctx, s)
			}
			return newReplay(s)
		})
	case contract.TaskRebuild + " " + contract.ActionRollups:
		return h.runJob(ctx, contract.JobRollups, task, func(s *slice) (worker, error) { return newRollups(ctx, s) })
	case contract.TaskRebuild + " " + contract.ActionSequences:
		return h.runJob(ctx, contract.JobSequences, task, func(s *slice) (worker, error) { return newRepack(ctx, s) })
	case contract.TaskRebuild + " " + contract.ActionCache:
		return h.runJob(ctx, contract.JobCache, task, func(s *slice) (worker, error) { return newRefill(ctx, s) })
	case contract.TaskReconcile + " " + contract.ActionRun:
		return h.runJob(ctx, contract.JobReconcile, task, func(s *slice) (worker, error) { return newComparison(ctx, s) })
	case contract.TaskReconcile + " " + contract.ActionList:
		return h.listHours(ctx, task)
	case contract.TaskQuarantine + " " + contract.ActionList:
		return h.listQuarantine(ctx, task)
	case contract.TaskQuarantine + " " + contract.ActionShow:
		return h.showQuarantine(ctx, task)
	case contract.TaskQuarantine + " " + contract.ActionRun:
		return h.runJob(ctx, contract.JobRetry, task, func(s *slice) (worker, error) { return newRetry(ctx, s) })
	case contract.TaskJobs + " ":
		return h.listJobs(ctx, task)
	}
	return r, fmt.Errorf("run task %q, action %q: unknown; this function may be older than the program", task.Task, task.Action)
}

package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/contract"
)

func newRebuildCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{Use: "rebuild", Short: "Rebuild the rollups, the cache or the sequences from their source"}
	cmd.AddCommand(newRebuildRollupsCmd(a), newRebuildCacheCmd(a), newRebuildSequencesCmd(a))
	return cmd
}

type rebuildOptions struct {
	job      jobOptions
	from, to string
}

func newRebuildRollupsCmd(a *App) *cobra.Command {
	var o rebuildOptions
	cmd := &cobra.Command{
		Use:   "rollups",
		Short: "Recount the rollups from the events",
		Long: `Recount the rollups (metric_minute) from the table events, a few minutes of events at a
time. Events of the stream wait during each step, and get as much time before the next.
Rollups of events that retention has dropped stay as they are.

Ctrl-C leaves the job at its position; --resume continues it.`,
		Example: `  streamctl rebuild rollups
  streamctl rebuild rollups --from 2026-01-01 --to 2026-01-02
  streamctl rebuild rollups --resume`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRebuild(cmd.Context(), a, o, contract.ActionRollups, time.Now())
		},
	}
	o.job.flags(cmd.Flags())
	cmd.Flags().StringVar(&o.from, "from", "", "first time of the events: RFC 3339, or a day (UTC) (default: that of the oldest event)")
	cmd.Flags().StringVar(&o.to, "to", "", "end of the events, exclusive (default: that of the newest event)")
	return cmd
}

func newRebuildCacheCmd(a *App) *cobra.Command {
	var o rebuildOptions
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Refill Redis from PostgreSQL",
		Long: `Delete the metrics in Redis and refill them from PostgreSQL, newest minutes first: the
minutes of two days and the users of 35 days. Queries are answered meanwhile, from
PostgreSQL if Redis lacks a minute. Needed after PostgreSQL was restored from a
snapshot; an empty Redis is refilled within minutes in any case.`,
		Example: `  streamctl rebuild cache
  streamctl rebuild cache --data-dir .streamctl/local`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRebuild(cmd.Context(), a, o, contract.ActionCache, time.Now())
		},
	}
	o.job.flags(cmd.Flags())
	return cmd
}

func newRebuildSequencesCmd(a *App) *cobra.Command {
	var o rebuildOptions
	cmd := &cobra.Command{
		Use:   "sequences",
		Short: "Pack the events of users again",
		Long: `Pack the events of users again, from the table events, a day at a time, newest first.
Questions such as funnels are answered meanwhile. Needed after a statement of yours
changed or deleted rows of events.

Ctrl-C leaves the job at its position; --resume continues it.`,
		Example: `  streamctl rebuild sequences
  streamctl rebuild sequences --from 2026-01-01 --to 2026-01-02`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runRebuild(cmd.Context(), a, o, contract.ActionSequences, time.Now())
		},
	}
	o.job.flags(cmd.Flags())
	cmd.Flags().StringVar(&o.from, "from", "", "first time of the events: RFC 3339, or a day (UTC) (default: that of the oldest event)")
	cmd.Flags().StringVar(&o.to, "to", "", "end of the events, exclusive (default: that of the newest event)")
	return cmd
}

func runRebuild(ctx context.Context, a *App, o rebuildOptions, action string, now time.Time) error {
	p, err := timeRange(o.from, o.to, now)
	if err != nil {
		return err
	}
	if o.job.resume && o.from+o.to != "" {
		return &usageError{err: errors.New("--resume continues a job with its own --from and --to")}
	}
	return o.job.tasks.with(ctx, a, func(t *tasks) error {
		task := contract.MaintenanceTask{Task: contract.TaskRebuild, Action: action, JobParameters: p}
		job, err := o.job.run(ctx, a, t, task, "rebuild "+action, "minutes")
		if err != nil {
			return err
		}
		return a.printResult(job, func() { showJob(a, job, "minutes") })
	})
}

package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
)

type jobsOptions struct {
	tasks taskOptions
	limit int
}

func newJobsCmd(a *App) *cobra.Command {
	var o jobsOptions
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List replays, rebuilds and other jobs with their states",
		Long: `List the jobs of replay, rebuild, reconcile and quarantine retry, newest first. A job
that is running or interrupted keeps its progress in the database: the same command
with --resume continues it.`,
		Example: `  streamctl jobs
  streamctl jobs --limit 5 -o json
  streamctl jobs --data-dir .streamctl/local`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runJobs(cmd.Context(), a, o) },
	}
	o.tasks.flags(cmd.Flags())
	cmd.Flags().IntVar(&o.limit, "limit", 20, "number of jobs, 1 to 1000")
	return cmd
}

func runJobs(ctx context.Context, a *App, o jobsOptions) error {
	if o.limit < 1 || o.limit > 1000 {
		return &usageError{err: fmt.Errorf("--limit %d: outside 1..1000", o.limit)}
	}
	jobs := []contract.Job{}
	err := o.tasks.with(ctx, a, func(t *tasks) error {
		r, err := t.ask(ctx, contract.MaintenanceTask{Task: contract.TaskJobs, Limit: o.limit})
		jobs = append(jobs, r.Jobs...)
		return err
	})
	if err != nil {
		return err
	}
	return a.printResult(jobs, func() {
		if len(jobs) == 0 {
			a.printf("no jobs\n")
		}
		for _, j := range jobs {
			a.printf("%5d  %s  %s  %s  started %s", j.ID, ui.Pad(ui.Line(j.Kind), 16), ui.Pad(ui.Line(j.State), 11), ui.Pad(share(j.Done, j.Total), 6), j.StartedAt.Format(time.RFC3339))
			for _, text := range []string{parametersText(j.Parameters), countsText(j), ui.Line(j.Error)} {
				if text != "" {
					a.printf("; %s", text)
				}
			}
			a.printf("\n")
		}
	})
}

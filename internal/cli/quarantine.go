package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
)

func newQuarantineCmd(a *App) *cobra.Command {
	cmd := &cobra.Command{Use: "quarantine", Short: "List, show and retry events that could not be loaded"}
	cmd.AddCommand(newQuarantineListCmd(a), newQuarantineShowCmd(a), newQuarantineRetryCmd(a))
	return cmd
}

type quarantineListOptions struct {
	tasks taskOptions
	limit int
	all   bool
}

func newQuarantineListCmd(a *App) *cobra.Command {
	var o quarantineListOptions
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the events in quarantine with their reasons",
		Long: `List the lines of the stream that could not be loaded, newest first, each with its id
and the reason.`,
		Example: `  streamctl quarantine list
  streamctl quarantine list --limit 1000 -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runQuarantineList(cmd.Context(), a, o) },
	}
	o.tasks.flags(cmd.Flags())
	cmd.Flags().IntVar(&o.limit, "limit", 50, "maximum number of lines; 0 lists all")
	cmd.Flags().BoolVar(&o.all, "all", false, "also list lines that were loaded by a retry")
	return cmd
}

func runQuarantineList(ctx context.Context, a *App, o quarantineListOptions) error {
	if o.limit < 0 {
		return &usageError{err: fmt.Errorf("--limit %d: negative", o.limit)}
	}
	lines := []contract.QuarantinedLine{}
	err := o.tasks.with(ctx, a, func(t *tasks) error {
		page := 1000
		if o.limit > 0 {
			page = min(page, o.limit)
		}
		return t.all(ctx, contract.MaintenanceTask{Task: contract.TaskQuarantine, Action: contract.ActionList, Limit: page, All: o.all}, func(r contract.MaintenanceResult) bool {
			lines = append(lines, r.Lines...)
			return o.limit == 0 || len(lines) < o.limit
		})
	})
	if err != nil {
		return err
	}
	if o.limit > 0 && len(lines) > o.limit {
		lines = lines[:o.limit]
	}
	return a.printResult(lines, func() {
		if len(lines) == 0 {
			a.printf("quarantine is empty\n")
		}
		for _, l := range lines {
			a.printf("%6d  %s  %s%s\n", l.ID, l.QuarantinedAt.Format(time.RFC3339), ui.Line(l.Reason), retriedText(l))
		}
	})
}

func retriedText(l contract.QuarantinedLine) string {
	if l.RetriedAt == nil {
		return ""
	}
	return "  (loaded " + l.RetriedAt.UTC().Format(time.RFC3339) + ")"
}

// lineIDs parses the ids of lines.
func lineIDs(args []string) (ids []int64, err error) {
	for _, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id < 1 {
			return nil, &usageError{err: fmt.Errorf("line %q: want an id of `streamctl quarantine list`", arg)}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func newQuarantineShowCmd(a *App) *cobra.Command {
	var o taskOptions
	cmd := &cobra.Command{
		Use:     "show ID...",
		Short:   "Show events in quarantine with their text",
		Long:    `Show lines in quarantine with their reason, position and text as received.`,
		Example: `  streamctl quarantine show 12`,
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runQuarantineShow(cmd.Context(), a, o, args) },
	}
	o.flags(cmd.Flags())
	return cmd
}

func runQuarantineShow(ctx context.Context, a *App, o taskOptions, args []string) error {
	ids, err := lineIDs(args)
	if err != nil {
		return err
	}
	var lines []contract.QuarantinedLine
	err = o.with(ctx, a, func(t *tasks) error {
		r, err := t.ask(ctx, contract.MaintenanceTask{Task: contract.TaskQuarantine, Action: contract.ActionShow, JobParameters: contract.JobParameters{IDs: ids}})
		lines = r.Lines
		return err
	})
	if err != nil {
		return err
	}
	return a.printResult(lines, func() {
		for _, l := range lines {
			a.printf("line %d%s\n  reason    %s\n  position  %s %s, line %d\n  arrived   %s\n  object    %s\n  text      %s\n",
				l.ID, retriedText(l), ui.Line(l.Reason), ui.Line(l.Shard), ui.Line(l.Sequence), l.Index, l.ArrivedAt.Format(time.RFC3339Nano), ui.Line(l.Object), ui.Line(l.Text))
		}
	})
}

type quarantineRetryOptions struct {
	job                       jobOptions
	from, to, eventType, user string
	rate                      int
}

func newQuarantineRetryCmd(a *App) *cobra.Command {
	var o quarantineRetryOptions
	cmd := &cobra.Command{
		Use:   "retry [ID...]",
		Short: "Load events in quarantine again, after their cause is removed",
		Long: `Load the lines in quarantine again: all, or those with the given ids or properties.
Each line is loaded at most once, however often it is retried. A line that is rejected
again stays in quarantine with the new reason.

Exit codes: 0 if every line is loaded, 8 if lines were rejected again.`,
		Example: `  streamctl quarantine retry
  streamctl quarantine retry 12 13
  streamctl quarantine retry --event-type purchase --from 2026-01-01`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runQuarantineRetry(cmd.Context(), a, o, args, time.Now())
		},
	}
	f := cmd.Flags()
	o.job.flags(f)
	f.StringVar(&o.from, "from", "", "first arrival: RFC 3339, or a day (UTC)")
	f.StringVar(&o.to, "to", "", "end of the arrivals, exclusive")
	f.StringVar(&o.eventType, "event-type", "", "only events of this type")
	f.StringVar(&o.user, "user", "", "only events of this user id")
	f.IntVar(&o.rate, "rate", 0, "maximum number of events per second (default: no limit)")
	return cmd
}

func runQuarantineRetry(ctx context.Context, a *App, o quarantineRetryOptions, args []string, now time.Time) error {
	p, err := timeRange(o.from, o.to, now)
	if err != nil {
		return err
	}
	if p.IDs, err = lineIDs(args); err != nil {
		return err
	}
	p.EventType, p.User = o.eventType, o.user
	if o.rate < 0 {
		return &usageError{err: fmt.Errorf("--rate %d: want a positive number", o.rate)}
	}
	if o.job.resume && (o.from+o.to+o.eventType+o.user != "" || len(args) > 0) {
		return &usageError{err: errors.New("--resume continues a job with its own lines: only --rate may be added")}
	}
	return o.job.tasks.with(ctx, a, func(t *tasks) error {
		task := contract.MaintenanceTask{Task: contract.TaskQuarantine, Action: contract.ActionRun, Rate: o.rate, JobParameters: p}
		job, err := o.job.run(ctx, a, t, task, "quarantine retry", "lines")
		if err != nil {
			return err
		}
		return errors.Join(a.printResult(job, func() { showJob(a, job, "lines") }), rejectedLeft(job))
	})
}

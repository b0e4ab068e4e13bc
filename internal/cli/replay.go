package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pattern"
)

type replayOptions struct {
	job                               jobOptions
	from, to, eventType, user, source string
	rate                              int
	dryRun                            bool
}

func newReplayCmd(a *App) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Load events of the archive into the warehouse again",
		Long: `Load the events that arrived in a time range again: from the stack's own archive,
from quarantine, from the records that Lambda gave up, or from another stack's archive.
An event that is already loaded is never counted twice, so a replay may be repeated.
The work runs next to the database, and slows down while events of the stream wait.

Ctrl-C leaves the job at its position; --resume continues it. Another archive's bucket
must be listed in ReplayBuckets in variables.yaml.`,
		Example: `  streamctl replay --from 2026-01-01 --to 2026-02-01 --dry-run
  streamctl replay --from 2026-01-01T10:00:00Z --event-type purchase --yes
  streamctl replay --source given-up
  streamctl replay --source s3://old-archive --from 2025-01-01 --to 2026-01-01 --rate 2000
  streamctl replay --resume`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runReplay(cmd.Context(), a, o, time.Now(), cmd.Flags().Changed("source"))
		},
	}
	f := cmd.Flags()
	o.job.flags(f)
	f.StringVar(&o.from, "from", "", "first arrival: RFC 3339, or a day (UTC); needed for an archive")
	f.StringVar(&o.to, "to", "", "end of the arrivals, exclusive (default: now)")
	f.StringVar(&o.eventType, "event-type", "", "only events of this type")
	f.StringVar(&o.user, "user", "", "only events of this user id")
	f.StringVar(&o.source, "source", contract.SourceArchive, "archive, quarantine, given-up (records that Lambda gave up), or s3://BUCKET (another archive)")
	f.IntVar(&o.rate, "rate", 0, "maximum number of events per second (default: no limit)")
	f.BoolVar(&o.dryRun, "dry-run", false, "only count what would be read")
	return cmd
}

// bucketName matches the names of S3 buckets.
var bucketName = pattern.New(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// task checks the command line.
func (o replayOptions) task(now time.Time, sourceGiven bool) (contract.MaintenanceTask, error) {
	task := contract.MaintenanceTask{Task: contract.TaskReplay, Action: contract.ActionRun, Rate: o.rate}
	if o.rate < 0 {
		return task, &usageError{err: fmt.Errorf("--rate %d: want a positive number", o.rate)}
	}
	if o.job.resume {
		if o.from+o.to+o.eventType+o.user != "" || sourceGiven || o.dryRun {
			return task, &usageError{err: errors.New("--resume continues a job with its own parameters: only --rate may be added")}
		}
		return task, nil
	}
	p, err := timeRange(o.from, o.to, now)
	if err != nil {
		return task, err
	}
	p.EventType, p.User, p.Source = o.eventType, o.user, o.source
	bucket, other := strings.CutPrefix(o.source, contract.SourceBucket)
	switch {
	case other && !bucketName.MatchString(strings.TrimSuffix(bucket, "/")):
		return task, &usageError{err: fmt.Errorf("--source %q: want s3:// and the name of a bucket", o.source)}
	case other:
		p.Source = strings.TrimSuffix(o.source, "/")
	case o.source != contract.SourceArchive && o.source != contract.SourceQuarantine && o.source != contract.SourceGivenUp:
		return task, &usageError{err: fmt.Errorf("--source %q: want archive, quarantine, given-up or s3://BUCKET", o.source)}
	}
	if other || o.source == contract.SourceArchive {
		if p.From.IsZero() {
			return task, &usageError{err: errors.New("--from: needed to replay an archive"), hint: "add --from with the first arrival, such as --from " + now.UTC().AddDate(0, 0, -1).Format(time.DateOnly)}
		}
		if p.To.IsZero() {
			p.To = now.UTC().Truncate(time.Second)
		}
		if !p.From.Before(p.To) {
			return task, &usageError{err: errors.New("--from is in the future")}
		}
	}
	task.JobParameters = p
	return task, nil
}

// replayed is the result of replay.
type replayed struct {
	Plan *contract.ReplayPlan `json:"plan,omitempty"`
	Job  *contract.Job        `json:"job,omitempty"`
}

func runReplay(ctx context.Context, a *App, o replayOptions, now time.Time, sourceGiven bool) error {
	task, err := o.task(now, sourceGiven)
	if err != nil {
		return err
	}
	return o.job.tasks.with(ctx, a, func(t *tasks) error {
		var result replayed
		if !o.job.resume {
			plan, err := planReplay(ctx, t, task)
			if err != nil {
				return err
			}
			result.Plan, task.Total = &plan, plan.Records
			if o.dryRun {
				return a.printResult(result, func() { a.printf("%s\n", planText(task.JobParameters, plan)) })
			}
			if plan.Frozen > 0 {
				return &taskError{contract.Problem{
					Message: fmt.Sprintf("%s of %s must be restored from Glacier before they can be read", thousands(plan.Frozen), plural(int(plan.Objects), "object", "objects")),
					Hint:    "restore them (`aws s3api restore-object`, or S3 Batch Operations), then repeat the replay",
				}}
			}
			if err := a.confirmed(ctx, planText(task.JobParameters, plan), "Replay them?"); err != nil {
				return err
			}
		}
		job, err := o.job.run(ctx, a, t, task, "replay", replayUnit(task.Source))
		if err != nil {
			return err
		}
		result.Job = &job
		return errors.Join(a.printResult(result, func() { showJob(a, job, replayUnit(job.Parameters.Source)) }), rejectedLeft(job))
	})
}

func replayUnit(source string) string {
	if source == contract.SourceQuarantine {
		return "lines"
	}
	return "records"
}

// planReplay counts what a replay reads.
func planReplay(ctx context.Context, t *tasks, task contract.MaintenanceTask) (plan contract.ReplayPlan, err error) {
	task.Action = contract.ActionPlan
	err = t.all(ctx, task, func(r contract.MaintenanceResult) bool {
		if r.Plan == nil {
			return false
		}
		plan.Objects += r.Plan.Objects
		plan.Records += r.Plan.Records
		plan.Bytes += r.Plan.Bytes
		plan.Frozen += r.Plan.Frozen
		return true
	})
	return plan, err
}

func planText(p contract.JobParameters, plan contract.ReplayPlan) string {
	what := plural(int(plan.Objects), "object", "objects")
	if plan.Records > 0 {
		what = fmt.Sprintf("%s %s in %s", thousands(plan.Records), replayUnit(p.Source), what)
	}
	if plan.Bytes > 0 {
		what += fmt.Sprintf(", %.1f MB", float64(plan.Bytes)/1e6)
	}
	if plan.Frozen > 0 {
		what += fmt.Sprintf(", %s of them in Glacier", thousands(plan.Frozen))
	}
	return "To read: " + what + " (" + ui.Line(parametersText(p)) + ")"
}

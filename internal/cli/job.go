package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/pause"
)

// jobOptions are the flags of verbs that run a job.
type jobOptions struct {
	tasks  taskOptions
	resume bool
}

func (o *jobOptions) flags(f *pflag.FlagSet) {
	o.tasks.flags(f)
	f.BoolVar(&o.resume, "resume", false, "continue the last interrupted job of this kind, with its parameters")
}

const (
	// sliceSeconds is the time that one call works on a job.
	sliceSeconds = 5
	// jobTries is how often in a row a call of a running job may fail, and
	// jobRetry the pause before it is repeated.
	jobTries = 5
	jobRetry = 2 * time.Second
	// leaseRetry is the pause while another call works on the job: it may be an
	// earlier one, whose program was killed.
	leaseRetry = time.Second
	leaseTries = 60
)

// run works on a job until it is done. command is the verb with its subcommand, and unit
// the plural of the things that the job counts.
func (o jobOptions) run(ctx context.Context, a *App, t *tasks, task contract.MaintenanceTask, command, unit string) (contract.Job, error) {
	task.Seconds, task.Resume, task.Token = sliceSeconds, o.resume, rand.Text()
	bar := newJobBar(ctx, a, command, unit)
	defer bar.end()
	var job contract.Job
	for failed, busy := 0, 0; ; {
		r, err := t.do(ctx, task)
		if r.Job != nil && (r.Problem == nil || task.Job == r.Job.ID) {
			job = *r.Job
			task.Job = job.ID
			bar.show(job)
		}
		var wait time.Duration
		switch {
		case ctx.Err() != nil:
			return job, &jobInterruptedError{command, job, nil}
		case err != nil:
			if failed++; failed == jobTries || !mayPass(err) {
				return job, &jobInterruptedError{command, job, err}
			}
			a.notef("%s: %s; retrying", command, ui.Line(err.Error()))
			wait = jobRetry
		case r.Problem != nil && r.Problem.Kind == contract.ProblemBusy && (task.Job != 0 || o.resume):
			if busy++; busy == leaseTries {
				return job, &taskError{*r.Problem}
			}
			wait = leaseRetry
		case r.Problem != nil:
			p := *r.Problem
			if p.Kind == contract.ProblemBusy {
				p.Hint = "wait until it is done (`streamctl jobs`), or continue it with `streamctl " + command + " --resume`"
			}
			return job, &taskError{p}
		case job.State == contract.StateDone:
			return job, nil
		case job.State == contract.StateFailed:
			return job, &taskError{contract.Problem{Message: fmt.Sprintf("job %d failed: %s", job.ID, job.Error)}}
		default:
			failed, busy = 0, 0
		}
		if wait > 0 {
			if err := pause.For(ctx, wait); err != nil {
				return job, &jobInterruptedError{command, job, nil}
			}
		}
	}
}

// mayPass reports whether a call that failed may succeed later: the database is
// restarted, or the function is throttled.
func mayPass(err error) bool {
	switch failure.Of(err, ofAWS) {
	case failure.Other, failure.Network:
		return true
	case failure.Declined, failure.LeftBehind, failure.Usage, failure.Invalid, failure.Credentials, failure.Stack, failure.Busy:
	}
	return false
}

// jobInterruptedError reports a job that was interrupted, by the user or by an error.
type jobInterruptedError struct {
	command string
	job     contract.Job
	err     error
}

func (e *jobInterruptedError) Error() string {
	if e.err != nil {
		return e.command + ": " + e.err.Error()
	}
	return e.command + " interrupted"
}

func (e *jobInterruptedError) Unwrap() error { return e.err }

// Class implements failure.Classified.
func (e *jobInterruptedError) Class() failure.Class {
	if e.err == nil {
		return failure.Declined
	}
	return failure.Other
}

// Hint implements the command line's hints.
func (e *jobInterruptedError) Hint() string {
	again := "`streamctl " + e.command + " --resume` continues it"
	if e.job.ID == 0 {
		return "`streamctl jobs` shows whether the job has started; " + again
	}
	return fmt.Sprintf("job %d has completed %s: %s", e.job.ID, share(e.job.Done, e.job.Total), again)
}

// share is a part of a total, in percent if the total is known.
func share(done, total int64) string {
	if total <= 0 {
		return thousands(done)
	}
	return fmt.Sprintf("%d %%", min(100, 100*done/total))
}

// countNames are the texts of counts, in the order in which they are shown.
var countNames = []struct{ name, text string }{
	{contract.CountInserted, "loaded"}, {contract.CountDuplicates, "already loaded"}, {contract.CountRejected, "rejected"},
	{contract.CountExpired, "older than the retention"}, {contract.CountDiffering, "differing"},
}

// countsText lists a job's counts.
func countsText(j contract.Job) string {
	var parts []string
	for _, c := range countNames {
		if n, ok := j.Counts[c.name]; ok {
			parts = append(parts, thousands(n)+" "+c.text)
		}
	}
	return strings.Join(parts, ", ")
}

// showJob prints the result of a job.
func showJob(a *App, j contract.Job, unit string) {
	took := j.UpdatedAt.Sub(j.StartedAt)
	if j.FinishedAt != nil {
		took = j.FinishedAt.Sub(j.StartedAt)
	}
	a.printf("Job %d, %s: %s %s in %.1f s", j.ID, ui.Line(j.Kind), thousands(j.Done), unit, took.Seconds())
	if text := countsText(j); text != "" {
		a.printf(" (%s)", text)
	}
	a.printf("\n")
	if j.Counts[contract.CountCacheErrors] > 0 {
		a.printf("Redis was unavailable meanwhile: run `streamctl rebuild cache`\n")
	}
}

// remainsError reports a job that is done but left something to do.
type remainsError struct{ text, hint string }

func (e *remainsError) Error() string { return e.text }

// Hint implements the command line's hints.
func (e *remainsError) Hint() string { return e.hint }

// Class implements failure.Classified.
func (e *remainsError) Class() failure.Class { return failure.LeftBehind }

// rejectedLeft returns an error if lines of a job were rejected.
func rejectedLeft(j contract.Job) error {
	n := j.Counts[contract.CountRejected]
	if n == 0 {
		return nil
	}
	return &remainsError{
		text: plural(int(n), "line was rejected and is in quarantine", "lines were rejected and are in quarantine"),
		hint: "`streamctl quarantine list` shows the reasons; remove them, then run `streamctl quarantine retry`",
	}
}

// timeRange parses the flags --from and --to.
func timeRange(from, to string, now time.Time) (p contract.JobParameters, err error) {
	for _, one := range []struct {
		flag, text string
		at         *time.Time
	}{{"from", from, &p.From}, {"to", to, &p.To}} {
		if one.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, one.text)
		if err != nil {
			at, err = time.Parse(time.DateOnly, one.text)
		}
		if err != nil {
			return p, &usageError{err: fmt.Errorf("--%s %q: want a time such as %s, or a day such as %s", one.flag, one.text, now.UTC().Truncate(time.Hour).Format(time.RFC3339), now.UTC().Format(time.DateOnly))}
		}
		*one.at = at.UTC()
	}
	if !p.From.IsZero() && !p.To.IsZero() && !p.From.Before(p.To) {
		return p, &usageError{err: errors.New("--from must be before --to")}
	}
	return p, nil
}

// parametersText describes a job's parameters.
func parametersText(p contract.JobParameters) string {
	parts := map[string]string{"source": p.Source, "event type": p.EventType, "user": p.User}
	if !p.From.IsZero() {
		parts["from"] = p.From.Format(time.RFC3339)
	}
	if !p.To.IsZero() {
		parts["to"] = p.To.Format(time.RFC3339)
	}
	if len(p.IDs) > 0 {
		parts["lines"] = fmt.Sprint(len(p.IDs))
	}
	var texts []string
	for _, name := range slices.SortedFunc(maps.Keys(parts), cmp.Compare[string]) {
		if parts[name] != "" {
			texts = append(texts, name+" "+ui.Line(parts[name]))
		}
	}
	return strings.Join(texts, ", ")
}

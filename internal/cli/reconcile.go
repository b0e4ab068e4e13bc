package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/contract"
)

type reconcileOptions struct {
	job      jobOptions
	from, to string
	again    bool
}

func newReconcileCmd(a *App) *cobra.Command {
	var o reconcileOptions
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare the warehouse with the archive, hour by hour",
		Long: `Compare each hour of arrival with the archive and print the ledger: lines of the
archive that are missing in the warehouse, and rows of the warehouse that are not in
the archive. Hours that are known to match are not compared again without --again; the
last two hours are still open. Maintenance does the same every hour.

Exit codes: 0 if every hour matches, 8 if hours differ.`,
		Example: `  streamctl reconcile
  streamctl reconcile --from 2026-01-01 --to 2026-01-02 --again
  streamctl reconcile -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runReconcile(cmd.Context(), a, o, time.Now()) },
	}
	f := cmd.Flags()
	o.job.flags(f)
	f.StringVar(&o.from, "from", "", "first hour of arrival: RFC 3339, or a day (UTC) (default: that of the first event, at most 7 days ago)")
	f.StringVar(&o.to, "to", "", "end of the arrivals, exclusive (default: two hours ago)")
	f.BoolVar(&o.again, "again", false, "compare hours again that are known to match")
	return cmd
}

// reconciled is the result of reconcile.
type reconciled struct {
	Job contract.Job `json:"job"`
	// Lines, Missing and Unarchived are the sums of Hours.
	Lines      int64 `json:"lines"`
	Missing    int64 `json:"missing"`
	Unarchived int64 `json:"unarchived"`
	// Differing is the number of hours that differ.
	Differing int             `json:"differing"`
	Hours     []contract.Hour `json:"hours"`
}

func runReconcile(ctx context.Context, a *App, o reconcileOptions, now time.Time) error {
	p, err := timeRange(o.from, o.to, now)
	if err != nil {
		return err
	}
	if o.job.resume && (o.from+o.to != "" || o.again) {
		return &usageError{err: errors.New("--resume continues a job with its own --from, --to and --again")}
	}
	p.Again = o.again
	return o.job.tasks.with(ctx, a, func(t *tasks) error {
		task := contract.MaintenanceTask{Task: contract.TaskReconcile, Action: contract.ActionRun, JobParameters: p}
		job, err := o.job.run(ctx, a, t, task, "reconcile", "hours")
		if err != nil {
			return err
		}
		r := reconciled{Job: job, Hours: []contract.Hour{}}
		err = t.all(ctx, contract.MaintenanceTask{Task: contract.TaskReconcile, Action: contract.ActionList, Limit: 1000, JobParameters: job.Parameters}, func(page contract.MaintenanceResult) bool {
			for _, h := range page.Hours {
				r.add(h)
			}
			return true
		})
		if err != nil {
			return err
		}
		return errors.Join(a.printResult(r, func() { showLedger(a, r) }), r.differs())
	})
}

func (r *reconciled) add(h contract.Hour) {
	r.Hours = append(r.Hours, h)
	r.Lines, r.Missing, r.Unarchived = r.Lines+h.Lines, r.Missing+h.Missing, r.Unarchived+max(0, h.Unarchived)
	if h.Missing > 0 || h.Unarchived > 0 {
		r.Differing++
	}
}

// differs returns an error if hours differ.
func (r *reconciled) differs() error {
	if r.Differing == 0 {
		return nil
	}
	return &remainsError{
		text: fmt.Sprintf("archive and warehouse differ in %s: %s missing, %s not archived", plural(r.Differing, "hour", "hours"), thousands(r.Missing), thousands(r.Unarchived)),
		hint: "load missing lines with `streamctl replay`; rows that are not archived were inserted by hand, or the archiver is behind",
	}
}

func showLedger(a *App, r reconciled) {
	quiet := 0
	for _, h := range r.Hours {
		state := "matches"
		switch {
		case !h.Compared:
			state = "not compared"
		case h.Missing > 0 || h.Unarchived > 0:
			state = "DIFFERS"
		case h.Lines == 0:
			quiet++
			continue
		}
		a.printf("%s  %12s lines  %s", h.Hour.Format("2006-01-02 15:04 UTC"), thousands(h.Lines), state)
		if h.Missing > 0 || h.Unarchived > 0 {
			a.printf(": %s missing, %s not archived", thousands(h.Missing), thousands(h.Unarchived))
		}
		a.printf("\n")
	}
	a.printf("%s compared, %s without events, %s; %s differ\n", plural(len(r.Hours), "hour", "hours"), thousands(int64(quiet)), plural(int(r.Lines), "line", "lines"), thousands(int64(r.Differing)))
}

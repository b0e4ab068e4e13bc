package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy"
)

type destroyOptions struct {
	lift, dryRun  bool
	retainArchive bool
	retainGiven   bool // whichever it is
	finalSnapshot bool
	noDrain       bool
}

func newDestroyCmd(a *App) *cobra.Command {
	var o destroyOptions
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Delete the stack, bucket contents included, and wait until it is gone.",
		Long: `Say what will go and what stays, ask for the stack's name, and then: throttle the API
to nothing, wait until what is in the stream has been handled (where that outlives
the stack), stop what reads the stream, deny everybody to write into the archive
bucket and empty it with every version, delete the stack and follow it to the end.

Run again after an interruption it goes on; a deploy puts back what it stopped.
What is left on purpose is listed; if it holds data or costs money, the exit code
is 8.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.retainGiven = cmd.Flags().Changed("retain-archive")
			return runDestroy(cmd.Context(), a, o)
		},
	}
	cmd.Flags().BoolVar(&o.lift, "lift-protection", false, "lift the termination and deletion protection first")
	cmd.Flags().BoolVar(&o.retainArchive, "retain-archive", false, "keep the archive bucket with all that is in it, and its key; everything else goes")
	cmd.Flags().BoolVar(&o.finalSnapshot, "final-snapshot", false, "take a snapshot of the database before, also where its policy takes none (development)")
	cmd.Flags().BoolVar(&o.noDrain, "no-drain", false, "don't wait until what is in the stream has been handled, which takes some minutes; without a snapshot or an archive that stay there is no wait")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say what would go")
	return cmd
}

// destroyed is the answer of destroy.
type destroyed struct {
	Stack    string            `json:"stack"`
	Existed  bool              `json:"existed"`
	Deleted  bool              `json:"deleted"`
	Leftover []deploy.Leftover `json:"leftover,omitempty"`
	// Plan is what would go, with --dry-run.
	Plan *deploy.Plan `json:"plan,omitempty"`
}

func runDestroy(ctx context.Context, a *App, o destroyOptions) error {
	if !o.dryRun {
		a.show("destroy")
	}
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	plan, err := op.PlanDestroy(ctx, v.StackName)
	if deploy.IsNotFound(err) {
		a.notef("There is no stack %s in account %s, %s.", v.StackName, op.Caller.Account, op.Caller.Region)
		return a.answer(destroyed{Stack: v.StackName}, func() {})
	}
	if err != nil {
		return err
	}
	plan.SweepCode(artifactBucket(v, op.Caller))
	if plan.Keeping && !o.retainGiven {
		a.notef("The destroy before this one was told to keep the archive, and so is this one (--retain-archive=false deletes it).")
		o.retainArchive = true
	}
	if o.retainArchive {
		plan.RetainArchive()
	}
	if o.finalSnapshot {
		plan.FinalSnapshot()
	}
	if o.noDrain {
		plan.NoDrain()
	}
	a.describe(plan, op.Caller, o.retainArchive)
	if o.dryRun {
		return a.answer(destroyed{Stack: v.StackName, Existed: true, Plan: &plan}, func() {})
	}
	if len(plan.Protections) > 0 && !o.lift {
		return &deploy.ProtectedError{Stack: v.StackName, By: plan.Protections}
	}
	if err := a.confirm(ctx, v.StackName); err != nil {
		return err
	}
	a.expectDelete(plan.Resources)
	left, err := op.Destroy(ctx, plan, o.lift)
	if err != nil {
		return err
	}
	a.endShow()
	a.notef("Stack %s is gone.", v.StackName)
	err = a.answer(destroyed{Stack: v.StackName, Existed: true, Deleted: true, Leftover: left}, func() {
		for _, l := range left {
			a.printf("left: %s %s: %s\n", ui.Line(l.Type), ui.Line(l.PhysicalID), ui.Line(l.Why))
		}
	})
	for _, l := range left {
		if err == nil && l.Costs {
			return errLeftBehind
		}
	}
	return err
}

// describe says what will go, before anybody is asked.
func (a *App) describe(p deploy.Plan, caller deploy.Caller, retainArchive bool) {
	a.notef("This deletes stack %s (%s) with %d resources in account %s, %s:", p.Stack.Name, p.Stack.Status, len(p.Resources), caller.Account, caller.Region)
	for _, d := range p.Databases {
		a.notef("  database %s%s", d.ID, backups(d))
	}
	for _, c := range p.Contents {
		if retainArchive {
			a.notef("  NOT bucket %s with %s, nor the key that it is read with: they stay", c.Bucket, contents(c))
			continue
		}
		a.notef("  bucket %s with %s", c.Bucket, contents(c))
	}
	a.notef("  the stream, the cache and the functions' logs; their code in the artifact bucket, if no other stack has any there")
	if p.Drains() {
		a.notef("What is in the stream is handled first (--no-drain gives it up).")
	}
	for _, r := range p.Retained {
		a.notef("It does not delete %s %s (%s): %s", r.Type, r.PhysicalID, r.LogicalID, r.Why)
	}
	for _, by := range p.Protections {
		a.notef("It is protected by the %s", by)
	}
}

// backups says what becomes of a database's.
func backups(d deploy.Database) string {
	switch {
	case d.Replica:
		return ", a replica, which holds nothing of its own"
	case !d.Snapshot:
		return ", with its automated backups; no snapshot is taken (--final-snapshot takes one)"
	case d.Key == "":
		return ", with its automated backups; a last snapshot of it is taken and stays"
	case d.KeyStays:
		return ", with its automated backups; a last snapshot of it is taken and stays, readable with key " + d.Key + ", which stays too"
	}
	return ", with its automated backups; a last snapshot of it is taken and stays, under the account's own key for RDS, because the stack's key goes"
}

// contents says what is in a bucket.
func contents(c deploy.Contents) string {
	more := ""
	if c.More {
		more = "more than "
	}
	text := fmt.Sprintf("%s%s versions of %s objects, %s delete markers, %.1f MB", more, thousands(int64(c.Versions)), thousands(int64(c.Objects)), thousands(int64(c.Markers)), float64(c.Bytes)/1e6)
	if c.Uploads > 0 {
		text += fmt.Sprintf(", %s unfinished uploads", thousands(int64(c.Uploads)))
	}
	return text
}

// confirm asks for the stack's name, unless --yes was given.
func (a *App) confirm(ctx context.Context, stack string) error {
	if a.flags.yes {
		return nil
	}
	if _, ok := terminal(a.Stdin); !ok {
		return &declinedError{hint: "nobody is here to ask; add --yes"}
	}
	defer a.pause()()
	a.promptf("Type the stack's name to delete it: ")
	line, err := a.askLine(ctx)
	if err != nil {
		return &declinedError{}
	}
	if line != stack {
		return &declinedError{hint: "that is not the stack's name"}
	}
	return nil
}

// declinedError is errDeclined with the reason.
type declinedError struct{ hint string }

func (e *declinedError) Error() string { return errDeclined.Error() }
func (e *declinedError) Unwrap() error { return errDeclined }
func (e *declinedError) Hint() string  { return e.hint }

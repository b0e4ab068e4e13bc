package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/bucket"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

type destroyOptions struct {
	deploy.DestroyOptions
	dryRun bool
	// undoCreate deletes the remains of a failed create, without a final snapshot.
	undoCreate bool
}

func newDestroyCmd(a *App) *cobra.Command {
	var o destroyOptions
	retain := false
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Delete the stack with its bucket contents, and wait until it is gone",
		Long: `List what will be deleted and what stays, ask for the stack's name, and then: set the
API's rate limit to 0, drain the stream (if its data outlives the stack), disable the
consumers, deny writes to the archive bucket, empty it with every version, delete the
stack and follow that to its end.

With --undo-create it deletes the remains of a create that failed, of any program: the
database without a snapshot, and the key, whose deletion is scheduled. Otherwise a
protected database is left by the rollback.

After an interruption, the same command continues, and a deploy resumes the pipeline.
Resources that stay on purpose are listed; if one holds data or costs money, the exit
code is 8.

  streamctl destroy --env development
  streamctl destroy --env production --lift-protection --retain-archive
  streamctl destroy --env production --undo-create`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("retain-archive") {
				o.RetainArchive = &retain
			}
			if o.undoCreate {
				if other := changedBeside(cmd.Flags(), "skip-step", "lift-protection", "retain-archive", "final-snapshot", "no-drain"); other != "" {
					return &usageError{err: errors.New("--undo-create excludes --" + other)}
				}
				return runUndoCreate(cmd.Context(), a, o.dryRun)
			}
			return runDestroy(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.LiftProtection, "lift-protection", false, "lift the termination and deletion protection first")
	f.BoolVar(&retain, "retain-archive", false, "keep the archive bucket with its contents, and its key; everything else is deleted")
	f.BoolVar(&o.FinalSnapshot, "final-snapshot", false, "take a final snapshot of the database, also if its deletion policy takes none (development)")
	f.BoolVar(&o.NoDrain, "no-drain", false, "do not drain the stream, which takes some minutes; if neither a snapshot nor an archive stays, it is not drained anyway")
	f.StringVar(&o.SkipStep, "skip-step", "", "name of one step that is skipped, because a policy of the organization denies its call; the error of that step prints the name")
	f.BoolVar(&o.undoCreate, "undo-create", false, "delete the remains of a failed create: its database without a snapshot, its empty bucket, its key in 30 days")
	f.BoolVar(&o.dryRun, "dry-run", false, "only list what would be deleted")
	return cmd
}

// destroyed is the result of destroy.
type destroyed struct {
	Stack    string           `json:"stack"`
	Existed  bool             `json:"existed"`
	Deleted  bool             `json:"deleted"`
	Leftover []stack.Leftover `json:"leftover,omitempty"`
	// SkippedStep is the step of --skip-step.
	SkippedStep string `json:"skippedStep,omitempty"`
	// Plan lists the resources that would be deleted, with --dry-run.
	Plan *deploy.Plan `json:"plan,omitempty"`
	// Undo lists them with --undo-create.
	Undo *deploy.UndoPlan `json:"undo,omitempty"`
}

func runDestroy(ctx context.Context, a *App, o destroyOptions) error {
	if !o.dryRun {
		a.show("destroy")
	}
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	if err := deploy.CheckSkip(o.SkipStep); err != nil {
		return err
	}
	o.ArtifactBucket = artifactBucket(v, op.Caller)
	plan, err := op.PlanDestroy(ctx, v.StackName, o.DestroyOptions)
	if errors.Is(err, stack.ErrNotFound) {
		a.notef("Stack %s does not exist in account %s, %s.", v.StackName, op.Caller.Account, op.Caller.Region)
		return a.printResult(destroyed{Stack: v.StackName}, func() {})
	}
	if err != nil {
		return err
	}
	if plan.RetainRequested && o.RetainArchive == nil {
		a.notef("The unfinished destroy before this one keeps the archive, and so does this one (--retain-archive=false deletes it).")
	}
	for _, line := range planLines(plan, op.Caller) {
		a.notef("%s", line)
	}
	if o.dryRun {
		return a.printResult(destroyed{Stack: v.StackName, Existed: true, Plan: &plan}, func() {})
	}
	if len(plan.Protections) > 0 && !o.LiftProtection {
		return &deploy.ProtectedError{Stack: v.StackName, By: plan.Protections}
	}
	if err := confirmName(ctx, a, v.StackName); err != nil {
		return err
	}
	left, err := op.Destroy(ctx, plan)
	if err != nil {
		return err
	}
	return printDestroyed(a, destroyed{Stack: v.StackName, Existed: true, Deleted: true, Leftover: append(left, leftSecret(v)...), SkippedStep: o.SkipStep})
}

// planLines describe a plan, before the question.
func planLines(p deploy.Plan, caller stack.Caller) (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	add("This deletes stack %s (%s) with %s in account %s, %s:", p.Stack.Name, p.Stack.Status, plural(len(p.Resources), "resource", "resources"), caller.Account, caller.Region)
	for _, d := range p.Databases {
		add("  database %s%s", d.ID, backups(d))
	}
	for _, c := range p.Contents {
		if p.RetainsArchive() {
			add("  NOT bucket %s with %s, nor the key that encrypts it: they stay", c.Bucket, contents(c))
			continue
		}
		add("  bucket %s with %s", c.Bucket, contents(c))
	}
	add("  the stream, the cache and the functions' logs; the functions' code in the artifact bucket, if no other stack has code there")
	if p.Drains {
		add("The stream is drained first (skip with --no-drain).")
	}
	for _, r := range p.Retained {
		add("%s %s (%s) stays: %s", r.Type, r.PhysicalID, r.LogicalID, r.Why)
	}
	for _, by := range p.Protections {
		add("The stack has a protection: %s", by)
	}
	return out
}

// backups describes what happens to a database's backups.
func backups(d deploy.Database) string {
	switch {
	case d.Replica:
		return ", a read replica, which has no data of its own"
	case !d.Snapshot:
		return ", with its automated backups; no snapshot is taken (--final-snapshot takes one)"
	case d.Key == "":
		return ", with its automated backups; a final snapshot is taken and stays"
	case d.KeyStays:
		return ", with its automated backups; a final snapshot is taken and stays, encrypted with key " + d.Key + ", which stays too"
	}
	return ", with its automated backups; a final snapshot is taken and stays, encrypted with the account's own key for RDS, because the stack's key is deleted"
}

// contents describes the contents of a bucket.
func contents(c bucket.Contents) string {
	more := ""
	if c.Truncated {
		more = "more than "
	}
	text := fmt.Sprintf("%s%s versions of %s objects, %s delete markers, %.1f MB", more, thousands(int64(c.Versions)), thousands(int64(c.Objects)), thousands(int64(c.Markers)), float64(c.Bytes)/1e6)
	if c.Uploads > 0 {
		text += fmt.Sprintf(", %s unfinished uploads", thousands(int64(c.Uploads)))
	}
	return text
}

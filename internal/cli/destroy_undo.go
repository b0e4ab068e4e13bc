package cli

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// changedBeside returns the first of these flags that is set; empty if none is.
func changedBeside(f *pflag.FlagSet, names ...string) string {
	if i := slices.IndexFunc(names, f.Changed); i >= 0 {
		return names[i]
	}
	return ""
}

// runUndoCreate deletes the remains of a failed create, which any program may have begun.
func runUndoCreate(ctx context.Context, a *App, dryRun bool) error {
	if !dryRun {
		a.show("destroy")
	}
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	plan, err := op.PlanUndo(ctx, v.StackName)
	if errors.Is(err, stack.ErrNotFound) {
		a.notef("Stack %s does not exist in account %s, %s.", v.StackName, op.Caller.Account, op.Caller.Region)
		return a.printResult(destroyed{Stack: v.StackName}, func() {})
	}
	if err != nil {
		return err
	}
	plan.Doubts = slices.DeleteFunc(plan.Doubts, func(d string) bool { return d == deploy.DoubtForeign })
	explanation := strings.Join(plan.Lines(), "\n")
	if dryRun {
		a.notef("%s", explanation)
		return a.printResult(destroyed{Stack: v.StackName, Existed: true, Undo: &plan}, func() {})
	}
	if len(plan.Doubts) > 0 {
		err = a.confirmUndo(ctx, v.StackName, explanation)
	} else {
		a.notef("%s", explanation)
		err = confirmName(ctx, a, v.StackName)
	}
	if err != nil {
		return err
	}
	left, err := op.UndoCreate(ctx, plan)
	if err != nil {
		return err
	}
	return printDestroyed(a, destroyed{Stack: v.StackName, Existed: true, Deleted: true, Leftover: left})
}

// printDestroyed reports a deleted stack and what is left of it.
func printDestroyed(a *App, d destroyed) error {
	a.view.end()
	a.notef("Deleted stack %s.", d.Stack)
	err := a.printResult(d, func() {
		if d.SkippedStep != "" {
			a.printf("skipped: %s\n", d.SkippedStep)
		}
		for _, l := range d.Leftover {
			a.printf("left: %s %s: %s\n", ui.Line(l.Type), ui.Line(l.PhysicalID), ui.Line(l.Why))
		}
	})
	for _, l := range d.Leftover {
		if err == nil && l.Costs {
			return errLeftBehind
		}
	}
	return err
}

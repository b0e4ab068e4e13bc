package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

func newDiffCmd(a *App) *cobra.Command {
	var o deployOptions
	exitCode := false
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Compare the stack's template, parameters and tags with the variables",
		Long: `Build the functions, render the template, and list its differences from the template
that the stack was last deployed with, and those of parameters and tags. JSON values
are compared inside. Nothing is uploaded or changed. deploy --dry-run lists the
changes that CloudFormation would make.

  streamctl diff --env production --exit-code`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDiff(cmd.Context(), a, o, exitCode) },
	}
	sourceFlag(cmd.Flags(), &o.source)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with code 1 if there is a difference")
	return cmd
}

// errDiffers ends diff --exit-code.
var errDiffers = errors.New("the stack differs from the variables")

// diffed is the result of diff.
type diffed struct {
	Stack string `json:"stack"`
	// Differences are those of template, parameters and tags, by path.
	Differences []ui.Difference `json:"differences"`
}

func runDiff(ctx context.Context, a *App, o deployOptions, exitCode bool) error {
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	v.Region = op.Caller.Region
	d := &deployRun{app: a, op: op, o: o, v: v}
	c, err := op.Compare(ctx, d.spec(op.Caller), "compare")
	if err != nil {
		return err
	}
	if c.Action == stack.Recreate {
		s := c.Current.Stack
		return &stack.StateError{Op: "compare", Stack: s.Name, Status: s.Status, Advice: "`streamctl deploy` deletes the remains and creates the stack again"}
	}
	result := diffed{Stack: v.StackName, Differences: []ui.Difference{}}
	template, err := ui.DiffYAML(c.Current.Template, c.Spec.Template)
	if err != nil {
		return fmt.Errorf("compare the templates: %w", err)
	}
	result.Differences = append(result.Differences, template...)
	result.Differences = append(result.Differences, diffSettings("", c.Current.Stack.Parameters, merged(c.Current.Stack.Parameters, c.Spec))...)
	result.Differences = append(result.Differences, diffSettings("tag ", c.Current.Stack.Tags, c.Spec.Tags)...)
	err = a.printResult(result, func() {
		for _, line := range ui.DiffLines(result.Differences, columns(a.Stdout)) {
			a.printf("%s\n", line)
		}
	})
	switch {
	case err != nil:
		return err
	case len(result.Differences) == 0:
		a.notef("No difference: stack %s matches the variables.", v.StackName)
	case exitCode:
		return errDiffers
	}
	return nil
}

// merged returns the parameters after the update, including those that keep their
// value.
func merged(now map[string]string, s stack.Spec) map[string]string {
	out := maps.Clone(s.Parameters)
	for _, name := range s.Previous {
		if value, ok := now[name]; ok {
			out[name] = value
		}
	}
	return out
}

func diffSettings(prefix string, before, after map[string]string) []ui.Difference {
	names := maps.Clone(before)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, after)
	var out []ui.Difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, had := before[name]
		value, has := after[name]
		out = append(out, ui.DiffValues(prefix+name, old, had, value, has)...)
	}
	return out
}

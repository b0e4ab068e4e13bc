package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/template"
)

// preview is the answer of deploy --dry-run.
type preview struct {
	Stack   string          `json:"stack"`
	Exists  bool            `json:"exists"`
	Differs []string        `json:"differs,omitempty"`
	Changes []deploy.Change `json:"changes,omitempty"`
	// Lost are the logical ids of what holds data and would be replaced or
	// deleted.
	Lost []string `json:"losesData,omitempty"`
}

// previewed says what a deploy would do.
func (a *App) previewed(ctx context.Context, op *deploy.Operator, r deploy.Request, current deploy.Current, exists bool) error {
	p := preview{Stack: r.Stack, Exists: exists}
	if !exists {
		ids, err := template.Resources(r.Template)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			p.Changes = append(p.Changes, deploy.Change{Action: "Add", LogicalID: id, Type: ids[id]})
		}
	} else if p.Differs = current.Differs(r); len(p.Differs) > 0 {
		changes, err := op.Preview(ctx, r, current.Stack)
		if err != nil {
			return err
		}
		p.Changes = changes
	}
	for _, c := range p.Changes {
		if c.LosesData() && !slices.Contains(r.AllowReplace, c.LogicalID) {
			p.Lost = append(p.Lost, c.LogicalID)
		}
	}
	return a.answer(p, func() { a.showPreview(p, current) })
}

func (a *App) showPreview(p preview, current deploy.Current) {
	switch {
	case !p.Exists && current.Stack.Status != "":
		a.printf("stack %s is %s: %s\n", p.Stack, current.Stack.Status, current.Stack.Status.Meaning())
		return
	case !p.Exists:
		a.printf("stack %s would be made, with %d resources:\n", p.Stack, len(p.Changes))
	case len(p.Differs) == 0:
		a.printf("no change: stack %s is already what the variables say\n", p.Stack)
		return
	default:
		a.printf("stack %s would be changed: %s\n", p.Stack, strings.Join(p.Differs, ", "))
	}
	for _, c := range p.Changes {
		a.printf("  %s\n", ui.Line(fmt.Sprint(c)))
	}
	if len(p.Lost) > 0 {
		a.printf("REFUSED as it stands: data would be lost in %s; --allow-replace names what may go\n", strings.Join(p.Lost, ", "))
	}
}

func newDiffCmd(a *App) *cobra.Command {
	var o packageOptions
	exitCode := false
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Compare the stack's template, parameters and tags with what the variables say.",
		Long: `Build the functions, render the template, and show where it differs from the one that
the stack was last deployed with, line by line, with the parameters and tags. Nothing
is uploaded or changed. deploy --dry-run says what CloudFormation would make of it.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDiff(cmd.Context(), a, o, exitCode) },
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "end with code 1 where something differs")
	return cmd
}

// errDiffers ends diff --exit-code.
var errDiffers = fmt.Errorf("the stack differs from what the variables say")

func runDiff(ctx context.Context, a *App, o packageOptions, exitCode bool) error {
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	v.Region = op.Caller.Region
	current, exists, err := op.Current(ctx, v.StackName)
	if err != nil {
		return err
	}
	if !exists && current.Stack.Status != "" {
		return &deploy.BusyError{Stack: v.StackName, Status: string(current.Stack.Status), Since: current.Stack.Since().Local().Format("15:04:05 MST"), Meaning: current.Stack.Status.Meaning()}
	}
	request, err := a.request(ctx, v, deployOptions{dryRun: true}, op, true)
	if err != nil {
		return err
	}
	artifacts, err := a.artifacts(ctx, o.source)
	if err != nil {
		return err
	}
	if err := a.addTemplate(v, &request, artifact.NewManifest(artifacts).Keys()); err != nil {
		return err
	}
	text := string(diff.Diff("the stack", current.Template, "variables.yaml", request.Template)) +
		string(diff.Diff("the stack's parameters and tags", settings(current.Stack.Parameters, current.Stack.Tags), "variables.yaml", settings(merged(current.Stack.Parameters, request), request.Tags)))
	err = a.answer(map[string]string{"stack": v.StackName, "diff": text}, func() { a.printf("%s", text) })
	if err == nil && text == "" {
		a.notef("No difference: stack %s is what the variables say.", v.StackName)
	}
	if err == nil && text != "" && exitCode {
		return errDiffers
	}
	return err
}

// merged are the parameters as they would be: those that keep their value too.
func merged(now map[string]string, r deploy.Request) map[string]string {
	out := maps.Clone(r.Parameters)
	for _, name := range r.Previous {
		if value, ok := now[name]; ok {
			out[name] = value
		}
	}
	return out
}

// settings writes parameters and tags as lines.
func settings(parameters, tags map[string]string) []byte {
	var b strings.Builder
	for _, name := range sorted(parameters) {
		fmt.Fprintf(&b, "%s: %s\n", name, parameters[name])
	}
	for _, name := range sorted(tags) {
		fmt.Fprintf(&b, "tag %s: %s\n", name, tags[name])
	}
	return []byte(b.String())
}

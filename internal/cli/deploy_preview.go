package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
)

// preview is the result of deploy --dry-run.
type preview struct {
	Stack   string         `json:"stack"`
	Exists  bool           `json:"exists"`
	Differs []string       `json:"differs,omitempty"`
	Changes []stack.Change `json:"changes,omitempty"`
	// Estimated reports that the changes come from the templates, not from a change set.
	Estimated bool `json:"estimated,omitempty"`
	// Lost are the logical ids of stateful resources that would be replaced or
	// deleted.
	Lost []string `json:"losesData,omitempty"`
}

// runPreview lists what a deploy would do.
func runPreview(ctx context.Context, a *App, op *deploy.Operator, d *deployRun) error {
	c, err := op.Preview(ctx, d.spec(op.Caller), d.decisions())
	if err != nil {
		return err
	}
	p := preview{Stack: d.v.StackName, Exists: c.Action == stack.Update, Differs: c.Diff, Changes: c.Changes, Estimated: c.Estimated, Lost: c.Lost}
	if c.Estimated {
		a.notef("The template is too large for a change set without an upload: the changes are computed\nfrom the templates and CloudFormation's registry.")
	}
	if !p.Exists {
		resources, err := stacktemplate.Parse(c.Spec.Template)
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(resources)) {
			p.Changes = append(p.Changes, stack.Change{Action: "Add", LogicalID: id, Type: resources[id].Type})
		}
	}
	return a.printResult(p, func() {
		switch {
		case c.Action == stack.Recreate:
			a.printf("stack %s is %s: %s. It would be deleted and created again, with %s:\n", p.Stack, c.Current.Stack.Status, c.Current.Stack.Status.Meaning(), plural(len(p.Changes), "resource", "resources"))
		case !p.Exists:
			a.printf("stack %s would be created, with %s:\n", p.Stack, plural(len(p.Changes), "resource", "resources"))
		case len(p.Differs) == 0:
			a.printf("no change: stack %s already matches the variables\n", p.Stack)
			return
		default:
			a.printf("stack %s would be updated: %s\n", p.Stack, strings.Join(p.Differs, ", "))
		}
		for _, line := range indented(p.Changes, columns(a.Stdout)) {
			a.printf("%s\n", line)
		}
		if len(p.Lost) > 0 {
			a.printf("deploy would stop: data would be lost in %s; --allow-replace allows a replacement\n", strings.Join(p.Lost, ", "))
		}
	})
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy"
)

func newStatusCmd(a *App) *cobra.Command {
	follow := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the stack's status, what it means, and what isn't right in it.",
		Long: `Show the stack's status, what it means, and what isn't right in it. --follow shows an
operation that runs to its end, whoever began it and from wherever; Ctrl-C then ends
the showing, not the operation.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), a, follow) },
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show the operation that runs to its end")
	return cmd
}

// status is the answer of status.
type status struct {
	deploy.Stack
	Account   string            `json:"account"`
	Region    string            `json:"region"`
	Resources int               `json:"resources"`
	Unsettled []deploy.Resource `json:"unsettled,omitempty"`
	// Halted is what isn't as the template says, though CloudFormation doesn't
	// know it.
	Halted *deploy.Halted `json:"halted,omitempty"`
	// Meaning and Next say the status in words, and what can be done about it.
	Meaning string `json:"meaning"`
	Next    string `json:"next,omitempty"`
}

func runStatus(ctx context.Context, a *App, follow bool) error {
	if follow {
		a.show("status")
	}
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	var failed error
	name := v.StackName
	if follow {
		op.Interrupted = nil // it is another's: leave it alone
		if err := a.expectRunning(ctx, op, v.StackName); err != nil {
			return err
		}
		var followed deploy.Stack
		if followed, failed = op.Follow(ctx, v.StackName); failed != nil && ctx.Err() != nil {
			return failed
		}
		if followed.ID != "" {
			name = followed.ID // it may be gone by name
		}
	}
	stack, err := op.Describe(ctx, name)
	if err != nil {
		return err
	}
	resources, err := op.Resources(ctx, stack.ID)
	if err != nil {
		return err
	}
	s := status{Stack: stack, Account: op.Caller.Account, Region: op.Caller.Region, Resources: len(resources),
		Meaning: stack.Status.Meaning(), Next: stack.Status.Next()}
	for _, r := range resources {
		switch r.Status {
		case "CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE":
		default:
			s.Unsettled = append(s.Unsettled, r)
		}
	}
	halted := a.halted(ctx, op, stack)
	if len(halted.Lines()) > 0 {
		s.Halted = &halted
		if s.Next == "" {
			s.Next = "`streamctl deploy` puts it right; `streamctl destroy`, with the flags it had, goes on where one was interrupted"
		}
	}
	err = a.answer(s, func() {
		a.printf("%s  %s: %s\n", s.Name, s.Status, s.Meaning)
		if s.Reason != "" {
			a.printf("  %s\n", ui.Line(s.Reason))
		}
		a.printf("account %s, %s; created %s", s.Account, s.Region, s.Created.Local().Format(time.DateTime))
		if !s.Updated.IsZero() {
			a.printf(", updated %s", s.Updated.Local().Format(time.DateTime))
		}
		a.printf("\n%d resources, termination protection %s\n", s.Resources, onOff(s.Protected))
		for _, r := range s.Unsettled {
			a.printf("  %s\n", ui.Line(fmt.Sprintf("%s %s (%s) %s", r.Status, r.LogicalID, r.Type, r.Reason)))
		}
		for _, line := range halted.Lines() {
			a.printf("  %s\n", ui.Line(line))
		}
		if s.Next != "" {
			a.printf("next: %s\n", s.Next)
		}
	})
	return errors.Join(err, failed)
}

// halted looks at what a destroy may have stopped; who may not look is told so.
func (a *App) halted(ctx context.Context, op *deploy.Operator, stack deploy.Stack) deploy.Halted {
	if !stack.Status.OutputsHold() {
		return deploy.Halted{}
	}
	body, err := op.Template(ctx, stack)
	var h deploy.Halted
	if err == nil {
		h, err = op.Halted(ctx, deploy.Current{Stack: stack, Template: body})
	}
	if err != nil {
		a.notef("Whether the readers, the API and the archive work as the template says isn't known: %v", err)
		return deploy.Halted{}
	}
	return h
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

func newStatusCmd(a *App) *cobra.Command {
	follow := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the stack's status, its meaning, and the stack's problems",
		Long: `Show the stack's status, its meaning, and the stack's problems. --follow shows a running
operation to its end, also one of another operator. Ctrl-C then stops following it; the
operation continues.

  streamctl status --env production --follow`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), a, follow) },
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "show the running operation to its end")
	return cmd
}

// status is the result of status.
type status struct {
	stack.Stack
	Account   string           `json:"account"`
	Region    string           `json:"region"`
	Resources int              `json:"resources"`
	Unsettled []stack.Resource `json:"unsettled,omitempty"`
	// Suspended is the difference between the pipeline and its template that
	// CloudFormation does not know.
	Suspended *pipeline.Suspended `json:"halted,omitempty"`
	// AlarmReceivers counts the subscriptions of the alarm topic.
	AlarmReceivers *deploy.AlarmReceivers `json:"alarmReceivers,omitempty"`
	// Meaning and Next explain the status and the next step.
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
		var followed stack.Stack
		if followed, failed = op.Follow(ctx, v.StackName); failed != nil && !isOperationResult(failed) {
			return failed
		}
		if followed.ID != "" {
			name = followed.ID // the stack may be gone by name
		}
	}
	s, err := op.Inspect(ctx, name)
	if err != nil {
		return err
	}
	if s.SuspendedErr != nil {
		a.notef("The state of the consumers, the API and the archive is unknown: %v", s.SuspendedErr)
	}
	result := newStatus(s, op.Caller)
	warning, receivers := alarmWarning(ctx, op, v, s.Stack)
	result.AlarmReceivers = receivers
	if warning != "" {
		a.notef("%s", warning)
	}
	return errors.Join(a.printResult(result, func() { printStatus(a, result) }), failed)
}

// isOperationResult reports whether an error is the result of a completed
// operation, after which the stack's status is worth showing.
func isOperationResult(err error) bool {
	var failed *stack.FailedError
	return errors.As(err, &failed)
}

func newStatus(s deploy.Inspection, caller stack.Caller) status {
	out := status{Stack: s.Stack, Account: caller.Account, Region: caller.Region, Resources: len(s.Resources), Unsettled: s.Unsettled,
		Meaning: s.Stack.Status.Meaning(), Next: s.Stack.Status.Next()}
	if len(s.Suspended.Lines()) > 0 {
		out.Suspended = &s.Suspended
		if out.Next == "" {
			out.Next = "`streamctl deploy` restores it; `streamctl destroy`, with the same flags, continues an interrupted destroy"
		}
	}
	return out
}

func printStatus(a *App, s status) {
	a.printf("%s  %s: %s\n", s.Name, s.Status, s.Meaning)
	if s.Reason != "" {
		a.printf("  %s\n", ui.Line(s.Reason))
	}
	const zoned = time.DateTime + " MST"
	a.printf("account %s, %s; created %s", s.Account, s.Region, s.Created.Local().Format(zoned))
	if !s.Updated.IsZero() {
		a.printf(", updated %s", s.Updated.Local().Format(zoned))
	}
	protection := "off"
	if s.Protected {
		protection = "on"
	}
	a.printf("\n%s, termination protection %s\n", plural(s.Resources, "resource", "resources"), protection)
	for _, r := range s.Unsettled {
		a.printf("  %s\n", ui.Line(fmt.Sprintf("%s %s (%s) %s", r.Status, r.LogicalID, r.Type, r.Reason)))
	}
	if s.Suspended != nil {
		for _, line := range s.Suspended.Lines() {
			a.printf("  %s\n", ui.Line(line))
		}
	}
	if s.Next != "" {
		a.printf("next: %s\n", s.Next)
	}
}

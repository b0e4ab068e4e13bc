package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/deploy"
)

func newStatusCmd(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the stack's status and what isn't right in it.",
		RunE:  func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), a) },
	}
}

// status is the answer of status.
type status struct {
	deploy.Stack
	Account   string            `json:"account"`
	Region    string            `json:"region"`
	Resources int               `json:"resources"`
	Unsettled []deploy.Resource `json:"unsettled,omitempty"`
}

func runStatus(ctx context.Context, a *App) error {
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	stack, err := op.Describe(ctx, v.StackName)
	if err != nil {
		return err
	}
	resources, err := op.Resources(ctx, stack.ID)
	if err != nil {
		return err
	}
	s := status{Stack: stack, Account: op.Caller.Account, Region: op.Caller.Region, Resources: len(resources)}
	for _, r := range resources {
		switch r.Status {
		case "CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE":
		default:
			s.Unsettled = append(s.Unsettled, r)
		}
	}
	return a.answer(s, func() {
		a.printf("%s  %s\n", s.Name, s.Status)
		if s.Reason != "" {
			a.printf("  %s\n", s.Reason)
		}
		a.printf("account %s, %s; created %s", s.Account, s.Region, s.Created.Local().Format(time.DateTime))
		if !s.Updated.IsZero() {
			a.printf(", updated %s", s.Updated.Local().Format(time.DateTime))
		}
		a.printf("\n%d resources, termination protection %s\n", s.Resources, onOff(s.Protected))
		for _, r := range s.Unsettled {
			a.printf("  %s %s (%s) %s\n", r.Status, r.LogicalID, r.Type, r.Reason)
		}
	})
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/health"
)

type statusOptions struct {
	follow bool
	every  time.Duration
	url    string
}

// defaultEvery is the refresh of status --follow; CloudWatch charges one cent per thousand
// metrics.
const defaultEvery = 30 * time.Second

func newStatusCmd(a *App) *cobra.Command {
	o := statusOptions{}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the platform's health, the stack's status, and problems",
		Long: `Show the alarms that fire, with the first command of their runbook; the stack's status
and its meaning; and the health of each part of the platform in the last hour, from
CloudWatch. "!" marks a value beyond the threshold of its alarm, "?" an unknown one.
CloudWatch bills about ` + strconv.Itoa(typicalMetrics) + ` metrics per status, a tenth of a cent.

--follow shows a running operation to its end, also one of another operator. Ctrl-C
then stops following it; the operation continues. On a terminal it then refreshes the
status until Ctrl-C, elsewhere only with --every.

--url shows the health of a platform that streamctl local runs.`,
		Example: `  streamctl status --env production --follow
  streamctl status --follow --every 1m >>status.log
  streamctl status --url http://127.0.0.1:8080`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), a, o) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "show the running operation to its end, then refresh the status on a terminal")
	f.Var((*ui.Duration)(&o.every), "every", "with --follow: time between two refreshes, at least 1s, also without a terminal (default: 30s)")
	f.StringVar(&o.url, "url", "", "API or dashboard of streamctl local, such as http://127.0.0.1:8080 (also: STREAMCTL_URL with a loopback address)")
	return cmd
}

// check rejects an invalid command line.
func (o statusOptions) check(a *App) error {
	switch {
	case o.every != 0 && !o.follow:
		return &usageError{err: errors.New("--every needs --follow")}
	case o.every != 0 && o.every < time.Second:
		return &usageError{err: fmt.Errorf("--every %s: want at least 1s", o.every)}
	case o.every != 0 && a.flags.output != "text":
		return &usageError{err: fmt.Errorf("--every prints text, not %s", a.flags.output)}
	}
	return nil
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
	// Health is the platform's; missing if the stack has no part that publishes metrics.
	Health *health.Report `json:"health,omitempty"`
	// Meaning and Next explain the status and the next step.
	Meaning string `json:"meaning"`
	Next    string `json:"next,omitempty"`
}

func runStatus(ctx context.Context, a *App, o statusOptions) error {
	if err := o.check(a); err != nil {
		return err
	}
	if url := localURL(a, o.url); url != "" {
		return runLocalStatus(ctx, a, o, url)
	}
	if o.follow {
		a.show("status")
	}
	v, op, err := a.login(ctx)
	if err != nil {
		return err
	}
	var failed error
	name := v.StackName
	if o.follow {
		var followed stack.Stack
		if followed, failed = op.Follow(ctx, v.StackName); failed != nil && !isOperationResult(failed) {
			return failed
		}
		if followed.ID != "" {
			name = followed.ID // the stack may be gone by name
		}
	}
	result, err := readStatus(ctx, a, v, op, name)
	if err != nil {
		return err
	}
	err = a.printResult(result, func() { printStatus(a, result) })
	if err == nil && o.follow {
		err = keepRefreshing(ctx, a, o, func(ctx context.Context) (func(), error) {
			next, err := readStatus(ctx, a, v, op, name)
			return func() { printStatus(a, next) }, err
		})
	}
	return errors.Join(err, failed)
}

// readStatus reads the stack and the platform's health, and prints warnings.
func readStatus(ctx context.Context, a *App, v config.Variables, op *deploy.Operator, name string) (status, error) {
	s, err := op.Inspect(ctx, name)
	if err != nil {
		return status{}, err
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
	result.Health = stackHealth(ctx, a, op, s)
	return result, nil
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
	if s.Health != nil {
		printAlarms(a, *s.Health)
	}
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
	if s.Health == nil {
		return
	}
	printHealth(a, *s.Health)
	if r := s.AlarmReceivers; r != nil {
		a.printf("alarm subscribers: %d confirmed, %d not confirmed\n", r.Confirmed, r.Pending)
	}
}

package checkup

import (
	"context"
	"errors"
	"strings"

	"github.com/streamctl/streamctl/internal/health"
)

// Alarms checks that every alarm exists, has data and may notify, and that none fires.
func Alarms(read func(context.Context) (*health.Alarms, error)) Check {
	const check = "alarms"
	return Check{check, "cloudwatch:DescribeAlarms", func(ctx context.Context) ([]Result, error) {
		a, err := read(ctx)
		switch {
		case err != nil:
			return nil, err
		case a == nil:
			return problem(check, Fail, "`streamctl deploy` creates the alarms", "the stack has no alarms"), nil
		case a.Unknown != "":
			return nil, errors.New(a.Unknown)
		}
		var out []Result
		for _, f := range a.Firing {
			out = append(out, problem(check, Fail, "see "+f.ID+" in docs/operations.md; first: "+f.Command, "%s fires: %s", f.ID, f.Meaning)...)
		}
		if len(a.Missing) > 0 {
			out = append(out, problem(check, Fail, "`aws cloudformation detect-stack-drift` confirms it; remove the alarm from the stack and add it again, or recreate it by hand under its name",
				"deleted outside of the stack: %s", strings.Join(a.Missing, ", "))...)
		}
		if len(a.Off) > 0 {
			out = append(out, problem(check, Fail, "`aws cloudwatch enable-alarm-actions --alarm-names …`", "these notify nobody, their actions are disabled: %s", strings.Join(a.Off, ", "))...)
		}
		if len(a.NoData) > 0 {
			out = append(out, problem(check, Warn, "wait ten minutes after a create or a change; then compare the alarm's dimensions with the metric's in the console", "without data: %s", strings.Join(a.NoData, ", "))...)
		}
		if len(out) == 0 {
			out = ok(check, "%d alarms have data, and none fires", a.Total)
		}
		return out, nil
	}}
}

// Subscribers checks that a person receives the alarms. warning is empty if one does.
func Subscribers(read func(context.Context) (confirmed int, warning string, err error)) Check {
	const check = "subscribers"
	return Check{check, "sns:ListSubscriptionsByTopic", func(ctx context.Context) ([]Result, error) {
		confirmed, warning, err := read(ctx)
		if err != nil {
			return nil, err
		}
		if warning != "" {
			return problem(check, Warn, "set AlarmEmail and deploy, then confirm the email", "%s", warning), nil
		}
		return ok(check, "%d confirmed", confirmed), nil
	}}
}

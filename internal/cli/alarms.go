package cli

import (
	"context"
	"fmt"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// alarmWarning returns a warning if no person receives the stack's alarms, and the
// receivers; nil if they are unknown.
func alarmWarning(ctx context.Context, op *deploy.Operator, v config.Variables, s stack.Stack) (warning string, receivers *deploy.AlarmReceivers) {
	if !s.Status.HasReliableOutputs() {
		return "", nil
	}
	r, err := op.AlarmReceivers(ctx, s)
	switch {
	case err != nil:
		return fmt.Sprintf("It is unknown whether anyone receives the stack's alarms: %v", err), nil
	case r.Confirmed > 0:
		return "", &r
	case r.Pending > 0:
		return "Nobody receives the stack's alarms yet: confirm the subscription with the link in the email from AWS Notifications.", &r
	case v.AlarmEmail != "":
		return fmt.Sprintf("Nobody receives the stack's alarms: the subscription of %s is missing or was canceled; `streamctl deploy` adds it.", v.AlarmEmail), &r
	}
	return "Nobody receives the stack's alarms: set AlarmEmail in the variables file and deploy, or subscribe to the topic in the output AlarmTopicArn.", &r
}

package stack

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Early validation checks a template before CloudFormation changes a resource. Its
// findings are only in DescribeEvents; those of a change set are deleted with it.

// validationType is the type of an Event with a finding of a check of the whole template.
const validationType = "early validation"

// findings reads the findings of early validation of a change set, or of the newest
// operation on a stack that is not a rollback. A finding of mode WARN does not fail the
// operation.
func findings(ctx context.Context, api readAPI, in *cfn.DescribeEventsInput) (failed, warned []Event, err error) {
	operation := ""
	pages := Limit("events", cfn.NewDescribeEventsPaginator(api, in))
	for older := false; pages.HasMorePages() && !older; {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("read the events of early validation: %w", err)
		}
		for _, e := range page.OperationEvents {
			rollback := e.OperationType == types.OperationTypeRollback || e.OperationType == types.OperationTypeContinueRollback
			if in.StackName != nil && rollback {
				continue
			}
			if operation == "" {
				operation = aws.ToString(e.OperationId)
			}
			if older = in.StackName != nil && aws.ToString(e.OperationId) != operation; older {
				break
			}
			if e.EventType != types.EventTypeValidationError || e.ValidationStatus == types.ValidationStatusSkipped {
				continue
			}
			if finding := newFinding(e); e.ValidationFailureMode == types.HookFailureModeWarn {
				warned = append(warned, finding)
			} else {
				failed = append(failed, finding)
			}
		}
	}
	slices.Reverse(failed) // the newest are first
	slices.Reverse(warned)
	return failed, warned, nil
}

func newFinding(e types.OperationEvent) Event {
	out := Event{
		Kind: KindResource, Time: aws.ToTime(e.Timestamp), LogicalID: aws.ToString(e.LogicalResourceId), Type: aws.ToString(e.ResourceType),
		PhysicalID: aws.ToString(e.PhysicalResourceId), Status: aws.ToString(e.ValidationName), Reason: aws.ToString(e.ValidationStatusReason),
	}
	if out.Type == "" {
		out.Type = validationType
	}
	if path := aws.ToString(e.ValidationPath); path != "" {
		out.Reason += " (at " + path + ")"
	}
	return out
}

// changeSetCauses are the reasons of a failed change set: the findings of early validation
// or, without findings, the set's own reason.
func changeSetCauses(ctx context.Context, api readAPI, id string, own Event) []Event {
	failed, _, err := findings(ctx, api, &cfn.DescribeEventsInput{ChangeSetName: &id})
	if err != nil {
		own.Log = append(own.Log, fmt.Sprintf("the findings of early validation are unknown: %v", err))
	}
	if len(failed) == 0 {
		return []Event{own}
	}
	return failed
}

// reportWarnings reports the findings that did not fail a change set, such as a quota that
// the update would reach. The update does not depend on them.
func reportWarnings(ctx context.Context, c *Client, id string) {
	_, warned, err := findings(ctx, c.API, &cfn.DescribeEventsInput{ChangeSetName: &id})
	if err != nil {
		return
	}
	for _, w := range warned {
		text := fmt.Sprintf("Warning of CloudFormation: %s (%s): %s", w.LogicalID, w.Type, w.Reason)
		if do := HintFor(w.Reason); do != "" {
			text += " → " + do
		}
		c.Step("%s", text)
	}
}

// validationCauses are the findings that ended a create or an update before CloudFormation
// changed a resource.
func (o *operation) validationCauses(ctx context.Context, s Stack) []Event {
	if o.name != opCreate && o.name != opUpdate {
		return nil
	}
	failed, _, err := findings(ctx, o.client.API, &cfn.DescribeEventsInput{StackName: &o.id})
	if err != nil {
		return []Event{{LogicalID: s.Name, Type: stackType, Status: string(s.Status), Reason: s.Reason, Log: []string{fmt.Sprintf("the findings of early validation are unknown: %v", err)}}}
	}
	return failed
}

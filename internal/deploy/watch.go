package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/streamctl/streamctl/internal/pause"
)

const stackType = "AWS::CloudFormation::Stack"

// operation is what is done to a stack.
type operation string

// The operations.
const (
	opCreate operation = "create"
	opUpdate operation = "update"
	opDelete operation = "delete"
	// opOther is one that is followed and never cancelled.
	opOther operation = "operation"
)

// watch is one operation on a stack, from its first event to its last.
type watch struct {
	id    string          // the stack's id
	token string          // of the call that began the operation
	op    operation       // what it is
	seen  map[string]bool // ids of events
	// events are those of the operation, in order.
	events []Event
	// cancelled says that it was ended on purpose.
	cancelled bool
}

// lookBack remembers the events that are already there, so that a watch begun
// now reports only what comes after.
func (o *Operator) lookBack(ctx context.Context, id, token string, op operation) (*watch, error) {
	w := &watch{id: id, token: token, op: op, seen: map[string]bool{}}
	if _, err := o.news(ctx, w); err != nil {
		return nil, err
	}
	w.events = nil
	return w, nil
}

// failed is the error of an operation that ended as it shouldn't.
func (w *watch) failed(op string, stack Stack) error {
	if w.cancelled {
		return &CancelledError{Op: string(w.op), Stack: stack.Name, Status: stack.Status}
	}
	return &FailedError{Op: op, Stack: stack.Name, Status: string(stack.Status), Causes: w.causes()}
}

// news fetches the events that w hasn't seen, oldest first. CloudFormation
// lists the newest first and has no "since": it is read until a known event.
func (o *Operator) news(ctx context.Context, w *watch) ([]Event, error) {
	var fresh []Event
	pages := cfn.NewDescribeStackEventsPaginator(o.Stacks, &cfn.DescribeStackEventsInput{StackName: &w.id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read events of %s: %w", w.id, err)
		}
		known := false
		for _, e := range page.StackEvents {
			if w.seen[aws.ToString(e.EventId)] {
				known = true
				break
			}
			fresh = append(fresh, Event{
				Kind: KindResource, Time: aws.ToTime(e.Timestamp),
				LogicalID: aws.ToString(e.LogicalResourceId), Type: aws.ToString(e.ResourceType),
				PhysicalID: aws.ToString(e.PhysicalResourceId), Status: string(e.ResourceStatus),
				Reason: aws.ToString(e.ResourceStatusReason),
				id:     aws.ToString(e.EventId), token: aws.ToString(e.ClientRequestToken),
			})
		}
		if known {
			break
		}
	}
	slices.Reverse(fresh)
	for _, e := range fresh {
		w.seen[e.id] = true
	}
	w.events = append(w.events, fresh...)
	return fresh, nil
}

// follow reports an operation's events until the stack has settled, and gives
// the stack as it is then. What ended it is the stack's own status, never the
// last event. The end of ctx is an interrupt: the operation goes on in AWS, and
// Interrupted decides what becomes of it.
func (o *Operator) follow(ctx context.Context, w *watch) (Stack, error) {
	shortest := o.Poll / 3
	calls, interrupted := context.WithoutCancel(ctx), false
	for wait := shortest; ; wait = min(wait*3/2, o.Poll) {
		// The status first: every event of an operation that has ended by then
		// is among the events read next.
		stack, err := o.Describe(calls, w.id)
		if err != nil {
			return Stack{}, err
		}
		fresh, err := o.news(calls, w)
		if err != nil {
			return Stack{}, err
		}
		for i := range fresh {
			o.addLog(calls, &fresh[i], stack.Since())
			w.events[len(w.events)-len(fresh)+i] = fresh[i]
			o.Report(fresh[i])
			wait = shortest // where something happens, more is to come
		}
		if status, ok := w.ended(); ok && status != stack.Status {
			after, err := o.Describe(calls, w.id)
			after.Status = status // another operation may have begun since
			return after, err
		}
		if !stack.Status.Busy() {
			return stack, nil
		}
		if pause.For(ctx, wait) == nil {
			continue
		}
		if interrupted || o.Interrupted == nil {
			return Stack{}, &LeftRunningError{Op: string(w.op), Stack: stack.Name, Status: stack.Status, err: context.Cause(ctx)}
		}
		interrupted = true
		var cancel bool
		if cancel, ctx = o.Interrupted(calls, string(w.op)); cancel {
			if err := o.cancel(calls, w, stack); err != nil {
				return Stack{}, err
			}
		}
	}
}

// ended is the status with which the operation itself ended, if it has.
func (w *watch) ended() (Status, bool) {
	for _, e := range w.events {
		if status := Status(e.Status); w.token != "" && e.token == w.token && e.Type == stackType && e.PhysicalID == w.id && !status.Busy() && status != StatusReview {
			return status, true
		}
	}
	return "", false
}

// cancel ends an operation: a new stack is deleted, an update rolled back. One
// that has gone too far for that goes on to its end.
func (o *Operator) cancel(ctx context.Context, w *watch, stack Stack) error {
	var err error
	switch w.op {
	case opCreate:
		o.step("cancelling: deleting the new stack " + stack.Name)
		if stack.Protected {
			if _, err := o.protect(ctx, stack, false); err != nil {
				return err
			}
		}
		_, err = o.Stacks.DeleteStack(ctx, &cfn.DeleteStackInput{StackName: &w.id})
	case opUpdate:
		o.step("cancelling: putting stack " + stack.Name + " back as it was")
		_, err = o.Stacks.CancelUpdateStack(ctx, &cfn.CancelUpdateStackInput{StackName: &w.id})
		if err != nil && tooLate.MatchString(message(err)) {
			o.step("it is too late to cancel; the update goes on to its end")
			return nil
		}
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("cancel the %s of %s: %w", w.op, stack.Name, err)
	}
	w.cancelled = true
	return nil
}

// causes are the failures that began an operation's end: the first one, and
// those that aren't merely its consequence.
func (w *watch) causes() []Event {
	var out []Event
	for _, e := range w.events {
		if !e.Failed() || e.Type == stackType && e.PhysicalID == w.id || consequence(e.Reason) {
			continue
		}
		out = append(out, e)
	}
	return out
}

// orphans are the resources whose last attempt to be deleted failed.
func (w *watch) orphans() []Event {
	last := map[string]Event{}
	for _, e := range w.events {
		if strings.HasPrefix(e.Status, "DELETE_") && e.Type != stackType {
			last[e.PhysicalID] = e
		}
	}
	var out []Event
	for _, e := range w.events {
		if l, known := last[e.PhysicalID]; known && l.Failed() && l.id == e.id {
			out = append(out, l)
		}
	}
	return out
}

// consequence says that a resource failed only because another one did.
func consequence(reason string) bool {
	return reason == "" || strings.HasPrefix(reason, "Resource creation cancelled") || strings.HasPrefix(reason, "Resource update cancelled")
}

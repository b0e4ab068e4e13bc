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

// watch is one operation on a stack, from its first event to its last.
type watch struct {
	id    string          // the stack's id
	token string          // of the call that began the operation
	seen  map[string]bool // ids of events
	// events are those of the operation, in order.
	events []Event
}

// lookBack remembers the events that are already there, so that a watch begun
// now reports only what comes after.
func (o *Operator) lookBack(ctx context.Context, id, token string) (*watch, error) {
	w := &watch{id: id, token: token, seen: map[string]bool{}}
	if _, err := o.news(ctx, w); err != nil {
		return nil, err
	}
	w.events = nil
	return w, nil
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
// last event.
func (o *Operator) follow(ctx context.Context, w *watch) (Stack, error) {
	shortest := o.Poll / 3
	for wait := shortest; ; wait = min(wait*3/2, o.Poll) {
		// The status first: every event of an operation that has ended by then
		// is among the events read next.
		stack, err := o.Describe(ctx, w.id)
		if err != nil {
			return Stack{}, err
		}
		fresh, err := o.news(ctx, w)
		if err != nil {
			return Stack{}, err
		}
		for _, e := range fresh {
			o.Report(e)
			wait = shortest // where something happens, more is to come
		}
		if !stack.Status.Busy() {
			return stack, nil
		}
		if err := pause.For(ctx, wait); err != nil {
			return Stack{}, fmt.Errorf("follow stack %s: %w; it goes on by itself", stack.Name, err)
		}
	}
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

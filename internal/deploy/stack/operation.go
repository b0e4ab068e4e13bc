package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/pause"
)

const stackType = "AWS::CloudFormation::Stack"

// Names of operations.
const (
	opCreate = "create"
	opUpdate = "update"
	opDelete = "delete"
	// opOther is followed and never canceled.
	opOther = "operation"
)

// maxUnreachable is how many polls in a row may fail because AWS is unreachable
// before the program stops following an operation.
const maxUnreachable = 3

// operation is one operation on a stack, from its first event to its last.
type operation struct {
	client *Client
	id     string          // of the stack
	token  string          // of the call that began the operation
	name   string          // opCreate, …
	seen   map[string]bool // ids of events
	events []Event         // of the operation, in order
	// canceled reports that the operation was ended on purpose.
	canceled bool
}

func newOperation(c *Client, id, token, name string) *operation {
	return &operation{client: c, id: id, token: token, name: name, seen: map[string]bool{}}
}

// skipPast marks the events that exist already as seen, so that the operation
// that begins now reports only its own.
func (o *operation) skipPast(ctx context.Context) error {
	_, err := o.newEvents(ctx, o.client.API)
	o.events = nil
	return err
}

// newEvents reads the events that are not seen yet, oldest first. CloudFormation
// lists the newest first and has no "since": it reads up to a known event.
func (o *operation) newEvents(ctx context.Context, api readAPI) ([]Event, error) {
	var unseen []Event
	pages := Limit("stack events", cfn.NewDescribeStackEventsPaginator(api, &cfn.DescribeStackEventsInput{StackName: &o.id}))
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read events of stack %s: %w", o.id, err)
		}
		known := false
		for _, e := range page.StackEvents {
			if o.seen[aws.ToString(e.EventId)] {
				known = true
				break
			}
			unseen = append(unseen, Event{
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
	slices.Reverse(unseen)
	for _, e := range unseen {
		o.seen[e.id] = true
	}
	o.events = append(o.events, unseen...)
	return unseen, nil
}

// follow reports the operation's events until the stack has settled, and returns
// the stack. The stack's own status decides how the operation ended, never the
// last event. The end of ctx is an interrupt: the operation continues in AWS, and
// Interrupted decides what happens to it.
func (o *operation) follow(ctx context.Context) (Stack, error) {
	c := o.client
	calls, interrupted, failures := context.WithoutCancel(ctx), false, 0
	var last Stack
	shortest := c.Poll / 3
	for wait := shortest; ; wait = min(wait*3/2, c.Poll) {
		s, active, err := o.poll(calls)
		switch {
		case err != nil && !IsUnreachable(err):
			return Stack{}, err
		case err != nil:
			if failures++; failures >= maxUnreachable {
				return Stack{}, &LeftRunningError{Op: o.name, Stack: nameOf(last, o.id), Status: last.Status, Err: err, Unreachable: true}
			}
			c.Waiting("AWS to be reachable: %v", err)
		default:
			last, failures = s, 0
			if status, ok := o.ended(); ok && status != s.Status {
				after, err := c.Describe(calls, o.id)
				after.Status = status // another operation may have begun since
				return after, err
			}
			if !s.Status.Busy() {
				return s, nil
			}
			if active {
				wait = shortest
			}
		}
		if pause.For(ctx, wait) == nil {
			continue
		}
		if interrupted || c.Interrupted == nil {
			return Stack{}, &LeftRunningError{Op: o.name, Stack: nameOf(last, o.id), Status: last.Status, Err: context.Cause(ctx)}
		}
		interrupted = true
		var cancel bool
		if cancel, ctx = c.Interrupted(calls, o.name); cancel {
			if err := o.cancel(calls, last); err != nil {
				return Stack{}, err
			}
		}
	}
}

func nameOf(s Stack, id string) string {
	if s.Name != "" {
		return s.Name
	}
	_, name, _ := strings.Cut(id, ":stack/")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// poll reads the stack once and reports new events. The status comes first: every
// event of an operation that has ended by then is among the events read next.
func (o *operation) poll(ctx context.Context) (s Stack, active bool, err error) {
	c := *o.client
	if c.PollAPI != nil {
		c.API = c.PollAPI
	}
	if s, err = c.Describe(ctx, o.id); err != nil {
		return s, false, err
	}
	unseen, err := o.newEvents(ctx, c.API)
	if err != nil {
		return s, false, err
	}
	for i := range unseen {
		e := &unseen[i]
		if c.FailureLog != nil && e.Failed() && strings.HasPrefix(e.Type, "Custom::") {
			e.Log = c.FailureLog(ctx, *e, s.Since())
		}
		o.events[len(o.events)-len(unseen)+i] = *e
		c.Report(*e)
	}
	return s, len(unseen) > 0, nil
}

// IsUnreachable reports whether a call got no response because of the network.
func IsUnreachable(err error) bool {
	var sent *smithyhttp.RequestSendError
	return (errors.As(err, &sent) || failure.Of(err) == failure.Network) && !errors.Is(err, context.Canceled)
}

// ended is the status with which the operation itself ended, if it has.
func (o *operation) ended() (Status, bool) {
	for _, e := range o.events {
		if status := Status(e.Status); o.token != "" && e.token == o.token && e.Type == stackType && e.PhysicalID == o.id && !status.Busy() && status != StatusReview {
			return status, true
		}
	}
	return "", false
}

// cancel ends the operation: a new stack is deleted, an update rolled back. An
// operation that can't be canceled any more continues to its end.
func (o *operation) cancel(ctx context.Context, s Stack) error {
	c := o.client
	var err error
	switch o.name {
	case opCreate:
		c.Step("Canceling: deleting the new stack %s", s.Name)
		if _, err := c.Protect(ctx, s, false); err != nil {
			return err
		}
		// The operation is the delete from now on: the create may have ended, rolled back.
		o.token = string(Undo) + c.Token()
		_, err = c.API.DeleteStack(ctx, &cfn.DeleteStackInput{StackName: &o.id, ClientRequestToken: &o.token})
	case opUpdate:
		c.Step("Canceling: rolling back stack %s", s.Name)
		_, err = c.API.CancelUpdateStack(ctx, &cfn.CancelUpdateStackInput{StackName: &o.id})
		if err != nil && tooLate.MatchString(message(err)) {
			c.Step("Too late to cancel; the update continues to its end")
			return nil
		}
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("cancel the %s of stack %s: %w", o.name, s.Name, err)
	}
	o.canceled = true
	return nil
}

// failed is the error of an operation that ended with another status than it
// should.
func (o *operation) failed(ctx context.Context, op string, s Stack) error {
	if o.canceled {
		return &CanceledError{Op: o.name, Stack: s.Name, Status: s.Status}
	}
	causes := o.causes()
	if len(causes) == 0 { // no resource failed
		causes = o.validationCauses(context.WithoutCancel(ctx), s)
	}
	return &FailedError{Op: op, Stack: s.Name, Status: string(s.Status), Causes: causes}
}

// causes are the first failure of the operation, and those that are not merely a
// consequence of it.
func (o *operation) causes() []Event {
	var out []Event
	for _, e := range o.events {
		if e.Failed() && (e.Type != stackType || e.PhysicalID != o.id) && !e.Consequence() {
			out = append(out, e)
		}
	}
	return out
}

// orphans are the resources whose last attempt to be deleted failed.
func (o *operation) orphans() []Event {
	last := map[string]Event{}
	for _, e := range o.events {
		if strings.HasPrefix(e.Status, "DELETE_") && e.Type != stackType {
			last[e.PhysicalID] = e
		}
	}
	var out []Event
	for _, e := range o.events {
		if l, known := last[e.PhysicalID]; known && l.Failed() && l.id == e.id {
			out = append(out, l)
		}
	}
	return out
}

// attachTo makes o the running operation, whose events have been read.
func (o *operation) attachTo(s Stack) (since time.Time) {
	if n := len(o.events); n > 0 {
		o.token = o.events[n-1].token
	}
	since = s.Since()
	for _, e := range o.events {
		if e.token == o.token && e.Type == stackType && e.PhysicalID == o.id {
			since = e.Time
			break
		}
	}
	return since
}

// dropOthers forgets the events of other operations.
func (o *operation) dropOthers() {
	o.events = slices.DeleteFunc(o.events, func(e Event) bool { return e.token != o.token })
}

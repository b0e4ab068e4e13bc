package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Result is a completed operation.
type Result struct {
	Stack   Stack
	Created bool
	// Orphans are resources that an update replaced or dropped, but CloudFormation
	// could not delete: it gives up on them and reports success.
	Orphans []Event
}

// Create creates a stack and follows the operation to its end. A create that was
// canceled is a *CanceledError, with the stack in the result.
func (c *Client) Create(ctx context.Context, spec Spec) (Result, error) {
	if len(spec.Previous) > 0 {
		return Result{}, fmt.Errorf("create stack %s: a new stack needs a value for %s", spec.Stack, strings.Join(spec.Previous, ", "))
	}
	body, url, err := c.templateArgument(ctx, spec.Template)
	if err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	token := spec.token() + c.Token()
	c.Step("Creating stack %s in account %s, %s", spec.Stack, c.Caller.Account, c.Caller.Region)
	in := &cfn.CreateStackInput{
		StackName: &spec.Stack, TemplateBody: body, TemplateURL: url,
		Parameters: parameters(spec), Tags: tags(spec.Tags),
		Capabilities:                []types.Capability{types.CapabilityCapabilityNamedIam},
		EnableTerminationProtection: &spec.Protected,
		RetainExceptOnCreate:        aws.Bool(true), // a create that fails leaves nothing
		OnFailure:                   types.OnFailureRollback,
		ClientRequestToken:          &token,
	}
	if spec.Policy != "" {
		in.StackPolicyBody = &spec.Policy
	}
	// After this call, canceling means DeleteStack.
	out, err := c.API.CreateStack(context.WithoutCancel(ctx), in)
	if err != nil {
		return Result{}, fmt.Errorf("create stack %s: %w", spec.Stack, err)
	}
	return newOperation(c, aws.ToString(out.StackId), token, opCreate).finish(ctx)
}

// finish follows a create or an update and returns its result.
func (o *operation) finish(ctx context.Context) (Result, error) {
	s, err := o.follow(ctx)
	if err != nil {
		return Result{}, err
	}
	want := StatusUpdated
	if o.name == opCreate {
		want = StatusCreated
	}
	if s.Status != want || o.canceled && o.name == opCreate {
		return Result{Stack: s}, o.failed(ctx, o.name, s)
	}
	return Result{Stack: s, Created: o.name == opCreate, Orphans: o.orphans()}, nil
}

// Running is the operation that runs on a stack.
type Running struct {
	Stack Stack
	Since time.Time
	// Own reports whether an earlier run began it for the same spec.
	Own bool

	operation *operation
}

// Attach reads which operation runs on a stack.
func (c *Client) Attach(ctx context.Context, spec Spec, s Stack) (*Running, error) {
	o := newOperation(c, s.ID, "", opUpdate)
	if s.Status == StatusCreating {
		o.name = opCreate
	}
	if _, err := o.newEvents(ctx, c.API); err != nil {
		return nil, err
	}
	since := o.attachTo(s)
	own := s.Status.Deploy() == Attach && strings.HasPrefix(o.token, spec.token())
	return &Running{Stack: s, Since: since, Own: own, operation: o}, nil
}

// Finish follows an own operation and returns its result.
func (r *Running) Finish(ctx context.Context) (Result, error) {
	r.operation.client.Step("Following the %s of stack %s, which began at %s", r.operation.name, r.Stack.Name, clockTime(r.Since))
	r.operation.dropOthers()
	return r.operation.finish(ctx)
}

// Wait waits for the end of another operation.
func (r *Running) Wait(ctx context.Context) error {
	r.operation.client.Waiting("the end of another operation: stack %s is %s since %s", r.Stack.Name, r.Stack.Status, clockTime(r.Since))
	r.operation.name = opOther
	_, err := r.operation.follow(ctx)
	return err
}

// Follow shows the operation that runs on a stack to its end. If none runs, it
// returns the stack.
func (c *Client) Follow(ctx context.Context, name string) (Stack, error) {
	s, err := c.Describe(ctx, name)
	if err != nil || !s.Status.Busy() {
		return s, err
	}
	o := newOperation(c, s.ID, "", opOther)
	if _, err := o.newEvents(ctx, c.API); err != nil {
		return s, err
	}
	since := o.attachTo(s)
	c.Step("Stack %s is %s since %s", s.Name, s.Status, clockTime(since))
	o.dropOthers()
	for _, e := range o.events {
		c.Report(e)
	}
	after, err := o.follow(ctx)
	if err != nil {
		return s, err
	}
	if causes := o.causes(); len(causes) > 0 {
		return after, &FailedError{Op: "operation on", Stack: after.Name, Status: string(after.Status), Causes: causes}
	}
	return after, nil
}

// Skipped returns the events of resources that a delete or an update skipped
// because the template retains them, in this operation or in an earlier one.
func (c *Client) Skipped(ctx context.Context, id string) ([]Event, error) {
	events, err := newOperation(c, id, "", opOther).newEvents(ctx, c.API)
	return slices.DeleteFunc(events, func(e Event) bool { return e.Status != StatusSkipped }), err
}

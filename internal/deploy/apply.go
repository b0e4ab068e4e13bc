package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// maxBody is CloudFormation's limit for a template in the request itself.
const maxBody = 51200

// Request is what a stack shall be.
type Request struct {
	Stack    string
	Template []byte
	// TemplateBucket takes a template that is too large for the request.
	TemplateBucket string
	// Parameters are the values to set.
	Parameters map[string]string
	// Previous are parameters that keep the value they have, such as a
	// password that isn't sent again. A new stack can't have any.
	Previous  []string
	Tags      map[string]string
	Protected bool
	// AllowReplace are the logical ids of what holds data and may be replaced
	// or deleted by this update.
	AllowReplace []string
	// Approve is asked before an update is carried out; an error ends it with
	// nothing changed.
	Approve func([]Change) error
}

// Outcome is what Apply did.
type Outcome struct {
	Stack   Stack
	Created bool
	Changed bool
	// Orphans are resources that an update replaced or dropped and that
	// CloudFormation could not delete: it gives up on them and reports success.
	Orphans []Event
}

// Apply creates the stack, or updates it through a change set, and follows it
// to the end. A stack that is already what it shall be isn't touched.
func (o *Operator) Apply(ctx context.Context, r Request) (Outcome, error) {
	stack, err := o.Describe(ctx, r.Stack)
	if errors.Is(err, ErrNotFound) {
		return o.create(ctx, r)
	}
	if err != nil {
		return Outcome{}, err
	}
	switch {
	case stack.Status.Busy():
		return Outcome{}, &BusyError{Stack: stack.Name, Status: string(stack.Status), Since: stack.Since().Format("15:04:05 MST")}
	case stack.Status == StatusRollbackComplete || stack.Status == StatusReview:
		// Nothing of a create that failed is left but what the stack retains.
		o.step(fmt.Sprintf("removing what a create that did not succeed left: stack %s is %s", stack.Name, stack.Status))
		if err := o.deleteStack(ctx, stack); err != nil {
			return Outcome{}, err
		}
		return o.create(ctx, r)
	case !stack.Status.Updatable():
		return Outcome{}, &StateError{Op: "update", Stack: stack.Name, Status: string(stack.Status), hint: stateHint(stack.Status)}
	}
	return o.update(ctx, r, stack)
}

func stateHint(s Status) string {
	switch s {
	case StatusDeleteFailed:
		return "a delete stopped half way; `streamctl destroy` finishes it"
	case StatusUpdateRbFailed:
		return "an update could not be rolled back; `aws cloudformation continue-update-rollback --stack-name NAME` finishes that, naming what to skip"
	case StatusCreateFailed, StatusRollbackFailed:
		return "a create failed and its remains are still there; `streamctl destroy` removes them"
	default:
		return "`streamctl status` shows what happened to it"
	}
}

func (o *Operator) create(ctx context.Context, r Request) (Outcome, error) {
	if len(r.Previous) > 0 {
		return Outcome{}, fmt.Errorf("create stack %s: a new stack needs a value for %s", r.Stack, strings.Join(r.Previous, ", "))
	}
	body, url, err := o.templateArgument(ctx, r)
	if err != nil {
		return Outcome{}, err
	}
	token := o.Token()
	o.step(fmt.Sprintf("creating stack %s in %s, %s", r.Stack, o.Caller.Account, o.Caller.Region))
	out, err := o.Stacks.CreateStack(ctx, &cfn.CreateStackInput{
		StackName: &r.Stack, TemplateBody: body, TemplateURL: url,
		Parameters: parameters(r), Tags: tags(r.Tags),
		Capabilities:                []types.Capability{types.CapabilityCapabilityNamedIam},
		EnableTerminationProtection: &r.Protected,
		RetainExceptOnCreate:        aws.Bool(true), // a create that fails leaves nothing
		OnFailure:                   types.OnFailureRollback,
		ClientRequestToken:          &token,
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("create stack %s: %w", r.Stack, err)
	}
	w := &watch{id: aws.ToString(out.StackId), token: token, seen: map[string]bool{}}
	stack, err := o.follow(ctx, w)
	if err != nil {
		return Outcome{}, err
	}
	if stack.Status != "CREATE_COMPLETE" {
		return Outcome{Stack: stack}, &FailedError{Op: "create", Stack: r.Stack, Status: string(stack.Status), Causes: w.causes()}
	}
	return Outcome{Stack: stack, Created: true, Changed: true}, nil
}

func (o *Operator) update(ctx context.Context, r Request, stack Stack) (Outcome, error) {
	set, err := o.prepare(ctx, r, stack)
	if err != nil {
		return Outcome{}, err
	}
	if set == nil {
		changed, err := o.settle(ctx, stack, r)
		return Outcome{Stack: stack, Changed: changed}, err
	}
	if err := o.approve(r, set.changes); err != nil {
		return Outcome{}, errors.Join(err, o.discard(ctx, set.id))
	}
	w, err := o.lookBack(ctx, stack.ID, o.Token())
	if err != nil {
		return Outcome{}, err
	}
	o.step("updating stack " + r.Stack)
	_, err = o.Stacks.ExecuteChangeSet(ctx, &cfn.ExecuteChangeSetInput{
		ChangeSetName: &set.id, ClientRequestToken: &w.token, DisableRollback: aws.Bool(false), RetainExceptOnCreate: aws.Bool(true),
	})
	if err != nil {
		return Outcome{}, fmt.Errorf("update stack %s: %w", r.Stack, err)
	}
	after, err := o.follow(ctx, w)
	if err != nil {
		return Outcome{}, err
	}
	if after.Status != "UPDATE_COMPLETE" {
		return Outcome{Stack: after}, &FailedError{Op: "update", Stack: r.Stack, Status: string(after.Status), Causes: w.causes()}
	}
	_, err = o.settle(ctx, after, r)
	return Outcome{Stack: after, Changed: true, Orphans: w.orphans()}, err
}

// settle makes good what no template says: the termination protection, and
// event source mappings that a destroy stopped before it was interrupted.
func (o *Operator) settle(ctx context.Context, stack Stack, r Request) (changed bool, err error) {
	resources, err := o.Resources(ctx, stack.ID)
	if err != nil {
		return false, err
	}
	started, err := o.startMappings(ctx, resources)
	if err != nil {
		return started, err
	}
	protected, err := o.protect(ctx, stack, r.Protected)
	return started || protected, err
}

// approve refuses what would lose data, unless it was named, and asks about
// the rest.
func (o *Operator) approve(r Request, changes []Change) error {
	var lossy []Change
	for _, c := range changes {
		if c.LosesData() && !slices.Contains(r.AllowReplace, c.LogicalID) {
			lossy = append(lossy, c)
		}
	}
	if len(lossy) > 0 {
		return &ReplaceError{Stack: r.Stack, Changes: lossy}
	}
	if r.Approve == nil {
		return nil
	}
	return r.Approve(changes)
}

// protect sets the stack's termination protection where it differs.
func (o *Operator) protect(ctx context.Context, stack Stack, protected bool) (changed bool, err error) {
	if stack.Protected == protected {
		return false, nil
	}
	o.step(fmt.Sprintf("setting termination protection to %t", protected))
	_, err = o.Stacks.UpdateTerminationProtection(ctx, &cfn.UpdateTerminationProtectionInput{StackName: &stack.Name, EnableTerminationProtection: &protected})
	if err != nil {
		return false, fmt.Errorf("set termination protection of %s: %w", stack.Name, err)
	}
	return true, nil
}

func parameters(r Request) []types.Parameter {
	var out []types.Parameter
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		out = append(out, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(r.Parameters[name])})
	}
	for _, name := range r.Previous {
		out = append(out, types.Parameter{ParameterKey: aws.String(name), UsePreviousValue: aws.Bool(true)})
	}
	return out
}

func tags(values map[string]string) []types.Tag {
	var out []types.Tag
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, types.Tag{Key: aws.String(name), Value: aws.String(values[name])})
	}
	return out
}

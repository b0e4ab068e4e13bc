package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	// Policy is the stack policy: what it denies no update may do by accident.
	Policy string
	// Wait waits for another operation's end instead of refusing.
	Wait bool
	// ContinueRollback finishes a rollback that failed, without the resources
	// of Skip, by logical id.
	ContinueRollback bool
	Skip             []string
	// Approve is asked before an update is carried out; an error ends it with
	// nothing changed.
	Approve func([]Change) error
	// Agree is asked before what is left of a failed create is removed: what it
	// is, and the question. Nil agrees to nothing.
	Agree func(what, question string) error
}

// token is the beginning of the request tokens of this deploy, the same for the
// same stack: by it an operation that runs is known again.
func (r Request) token() string {
	h := sha256.New()
	h.Write(r.Template)
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		if !secret(name) {
			fmt.Fprintf(h, "\n%q=%q", name, r.Parameters[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Tags)) {
		fmt.Fprintf(h, "\n%q:%q", name, r.Tags[name])
	}
	return "deploy-" + hex.EncodeToString(h.Sum(nil)[:8]) + "-"
}

// secret says that a parameter's value is shown nowhere.
func secret(name string) bool { return strings.Contains(name, "Password") }

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
// to the end. A stack that is already what it shall be isn't touched. What is
// done about each status of a stack stands in States.
func (o *Operator) Apply(ctx context.Context, r Request) (Outcome, error) {
	for {
		stack, err := o.Describe(ctx, r.Stack)
		if errors.Is(err, ErrNotFound) {
			return o.create(ctx, r)
		}
		if err != nil {
			return Outcome{}, err
		}
		switch stack.Status.state().Deploy {
		case Update:
			return o.update(ctx, r, stack)
		case Attach, Wait:
			outcome, done, err := o.attach(ctx, r, stack)
			if done || err != nil {
				return outcome, err
			}
		case Replace:
			if err := o.clear(ctx, r, stack); err != nil {
				return Outcome{}, err
			}
			return o.create(ctx, r)
		case Resume:
			if !r.ContinueRollback {
				return Outcome{}, o.refuse(ctx, "update", stack)
			}
			if err := o.continueRollback(ctx, r, stack); err != nil {
				return Outcome{}, err
			}
		default:
			return Outcome{}, o.refuse(ctx, "update", stack)
		}
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
	if err := ctx.Err(); err != nil { // from here on it is cancelled in the open
		return Outcome{}, err
	}
	token := r.token() + o.Token()
	o.step(fmt.Sprintf("creating stack %s in %s, %s", r.Stack, o.Caller.Account, o.Caller.Region))
	in := &cfn.CreateStackInput{
		StackName: &r.Stack, TemplateBody: body, TemplateURL: url,
		Parameters: parameters(r), Tags: tags(r.Tags),
		Capabilities:                []types.Capability{types.CapabilityCapabilityNamedIam},
		EnableTerminationProtection: &r.Protected,
		RetainExceptOnCreate:        aws.Bool(true), // a create that fails leaves nothing
		OnFailure:                   types.OnFailureRollback,
		ClientRequestToken:          &token,
	}
	if r.Policy != "" {
		in.StackPolicyBody = &r.Policy
	}
	out, err := o.Stacks.CreateStack(context.WithoutCancel(ctx), in)
	if err != nil {
		return Outcome{}, fmt.Errorf("create stack %s: %w", r.Stack, err)
	}
	w := &watch{id: aws.ToString(out.StackId), token: token, op: opCreate, seen: map[string]bool{}}
	stack, err := o.follow(ctx, w)
	if err != nil {
		return Outcome{}, err
	}
	return o.end(ctx, r, w, stack)
}

// end is what an operation came to.
func (o *Operator) end(ctx context.Context, r Request, w *watch, stack Stack) (Outcome, error) {
	ctx = context.WithoutCancel(ctx) // whoever interrupted it had it go on
	if w.cancelled && w.op == opCreate {
		return Outcome{Stack: stack}, o.undoCreate(ctx, w, stack)
	}
	if w.op == opCreate {
		if stack.Status != "CREATE_COMPLETE" {
			return Outcome{Stack: stack}, w.failed("create", stack)
		}
		return Outcome{Stack: stack, Created: true, Changed: true}, nil
	}
	if stack.Status != "UPDATE_COMPLETE" {
		return Outcome{Stack: stack}, w.failed("update", stack)
	}
	_, err := o.settle(ctx, stack, r)
	return Outcome{Stack: stack, Changed: true, Orphans: w.orphans()}, errors.Join(err, o.keepPolicy(ctx, stack, r.Policy))
}

// keepPolicy sets the stack policy where it is another: that of a stack of an
// earlier version, or before resources came.
func (o *Operator) keepPolicy(ctx context.Context, stack Stack, policy string) error {
	if policy == "" {
		return nil
	}
	out, err := o.Stacks.GetStackPolicy(ctx, &cfn.GetStackPolicyInput{StackName: &stack.ID})
	if err != nil {
		return fmt.Errorf("read the policy of stack %s: %w", stack.Name, err)
	}
	if aws.ToString(out.StackPolicyBody) == policy {
		return nil
	}
	if _, err := o.Stacks.SetStackPolicy(ctx, &cfn.SetStackPolicyInput{StackName: &stack.ID, StackPolicyBody: &policy}); err != nil {
		return fmt.Errorf("set the policy of stack %s: %w", stack.Name, err)
	}
	return nil
}

func (o *Operator) update(ctx context.Context, r Request, stack Stack) (Outcome, error) {
	body, err := o.template(ctx, stack)
	if err != nil {
		return Outcome{}, err
	}
	current := Current{Stack: stack, Template: body}
	return o.Update(ctx, r, current)
}

// Update changes a stack that was read before. Where it is already what it shall
// be, only what no template says is looked at.
func (o *Operator) Update(ctx context.Context, r Request, current Current) (Outcome, error) {
	stack := current.Stack
	if what := current.Differs(r); len(what) == 0 || len(what) == 1 && stack.Protected != r.Protected {
		changed, err := o.settle(ctx, stack, r)
		return Outcome{Stack: stack, Changed: changed}, err
	}
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
	w, err := o.lookBack(ctx, stack.ID, r.token()+o.Token(), opUpdate)
	if err != nil {
		return Outcome{}, err
	}
	if err := ctx.Err(); err != nil { // from here on it is cancelled in the open
		return Outcome{}, errors.Join(err, o.discard(context.WithoutCancel(ctx), set.id))
	}
	if err := o.pointBack(ctx, current); err != nil {
		return Outcome{}, errors.Join(err, o.discard(context.WithoutCancel(ctx), set.id))
	}
	o.step("updating stack " + r.Stack)
	if err := o.execute(context.WithoutCancel(ctx), r, w, set); err != nil {
		return Outcome{}, fmt.Errorf("update stack %s: %w", r.Stack, err)
	}
	after, err := o.follow(ctx, w)
	if err != nil {
		return Outcome{}, err
	}
	return o.end(ctx, r, w, after)
}

// undoCreate sees to it that a create that was cancelled leaves nothing but what
// it has to name: a protected database keeps the first delete from succeeding.
func (o *Operator) undoCreate(ctx context.Context, w *watch, stack Stack) error {
	ctx = context.WithoutCancel(ctx)
	p, err := o.PlanDestroy(ctx, stack.ID)
	if err != nil {
		return err
	}
	var left []Leftover
	if stack.Status == StatusDeleteComplete {
		left = o.leftovers(ctx, p)
	} else if left, err = o.Destroy(ctx, p, true); err == nil {
		stack.Status = StatusDeleteComplete
	}
	return errors.Join(&CancelledError{Op: string(w.op), Stack: stack.Name, Status: stack.Status, Left: left}, err)
}

// execute begins the update that was approved: the change set's, or, where
// something that the stack policy protects may be replaced, the same update with
// that policy lifted for its duration. A change set can't do that.
func (o *Operator) execute(ctx context.Context, r Request, w *watch, set *changeSet) error {
	if r.Policy == "" || !slices.ContainsFunc(set.changes, Change.LosesData) {
		_, err := o.Stacks.ExecuteChangeSet(ctx, &cfn.ExecuteChangeSetInput{
			ChangeSetName: &set.id, ClientRequestToken: &w.token, DisableRollback: aws.Bool(false), RetainExceptOnCreate: aws.Bool(true),
		})
		return err
	}
	body, url, err := o.templateArgument(ctx, r)
	if err != nil {
		return err
	}
	_, err = o.Stacks.UpdateStack(ctx, &cfn.UpdateStackInput{
		StackName: &w.id, TemplateBody: body, TemplateURL: url, Parameters: parameters(r), Tags: tags(r.Tags),
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam}, ClientRequestToken: &w.token,
		DisableRollback: aws.Bool(false), RetainExceptOnCreate: aws.Bool(true),
		StackPolicyBody: &r.Policy, StackPolicyDuringUpdateBody: aws.String(allowAll),
	})
	return err
}

// allowAll is a stack policy that denies nothing.
const allowAll = `{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}`

// settle makes good what no template says: the termination protection, and
// what a destroy stopped before it was interrupted.
func (o *Operator) settle(ctx context.Context, stack Stack, r Request) (changed bool, err error) {
	released, err := o.release(ctx, Current{Stack: stack, Template: r.Template})
	if err != nil {
		return released, err
	}
	protected, err := o.protect(ctx, stack, r.Protected)
	return released || protected, err
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

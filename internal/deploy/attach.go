package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// refuse says what the stack is, what it still holds, and what a person can do.
func (o *Operator) refuse(ctx context.Context, op string, stack Stack) error {
	holds, err := o.holds(ctx, stack)
	if err != nil {
		return err
	}
	return &StateError{Op: op, Stack: stack.Name, Status: string(stack.Status), Meaning: stack.Status.Meaning(), Holds: holds, hint: stack.Status.Next()}
}

// holds lists what a stack still owns.
func (o *Operator) holds(ctx context.Context, stack Stack) ([]Resource, error) {
	all, err := o.Resources(ctx, stack.ID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r Resource) bool {
		return r.PhysicalID == "" || r.Status == string(types.ResourceStatusDeleteComplete) || r.Status == skipped || strings.HasPrefix(r.Type, "Custom::")
	}), nil
}

// attach is about an operation that runs. If it is this very deploy, begun
// before by a program that ended early, it is followed to its end; another one is
// waited for, where that is asked for. done says that nothing is left to do.
func (o *Operator) attach(ctx context.Context, r Request, stack Stack) (outcome Outcome, done bool, err error) {
	w := &watch{id: stack.ID, op: opUpdate, seen: map[string]bool{}}
	if _, err := o.news(ctx, w); err != nil {
		return outcome, false, err
	}
	w.token = w.running()
	if stack.Status == "CREATE_IN_PROGRESS" {
		w.op = opCreate
	}
	since := w.since(stack)
	ours := stack.Status.state().Deploy == Attach && strings.HasPrefix(w.token, r.token())
	switch {
	case !ours && !r.Wait:
		return outcome, false, &BusyError{Stack: stack.Name, Status: string(stack.Status), Since: since, Meaning: stack.Status.Meaning()}
	case !ours:
		o.Report(Event{Kind: KindWaiting, Text: fmt.Sprintf("the end of another operation: stack %s is %s since %s", stack.Name, stack.Status, since)})
		w.op = opOther
		_, err := o.follow(ctx, w)
		return outcome, false, err
	}
	o.step(fmt.Sprintf("this %s of stack %s was begun at %s; following it", w.op, stack.Name, since))
	w.keep()
	after, err := o.follow(ctx, w)
	if err != nil {
		return outcome, false, err
	}
	outcome, err = o.end(ctx, r, w, after)
	return outcome, true, err
}

// Follow shows the operation that runs on a stack to its end; without one it
// gives the stack as it is.
func (o *Operator) Follow(ctx context.Context, name string) (Stack, error) {
	stack, err := o.Describe(ctx, name)
	if err != nil || !stack.Status.Busy() {
		return stack, err
	}
	w := &watch{id: stack.ID, op: opOther, seen: map[string]bool{}}
	if _, err := o.news(ctx, w); err != nil {
		return stack, err
	}
	w.token = w.running()
	o.step(fmt.Sprintf("stack %s is %s since %s", stack.Name, stack.Status, w.since(stack)))
	w.keep()
	for _, e := range w.events {
		o.Report(e)
	}
	after, err := o.follow(ctx, w)
	if err != nil {
		return stack, err
	}
	if causes := w.causes(); len(causes) > 0 {
		return after, &FailedError{Op: "operation on", Stack: after.Name, Status: string(after.Status), Causes: causes}
	}
	return after, nil
}

// Template is the template of a stack, as it was sent.
func (o *Operator) Template(ctx context.Context, stack Stack) ([]byte, error) {
	return o.template(ctx, stack)
}

// since is when the operation that the last event is of began.
func (w *watch) since(stack Stack) string {
	at := stack.Since()
	for _, e := range w.events {
		if e.token == w.token && e.Type == stackType && e.PhysicalID == w.id {
			at = e.Time
			break
		}
	}
	return at.Local().Format("15:04:05 MST")
}

// running is the token of the operation that the last event is of.
func (w *watch) running() string {
	if n := len(w.events); n > 0 {
		return w.events[n-1].token
	}
	return ""
}

// keep forgets the events of other operations.
func (w *watch) keep() {
	w.events = slices.DeleteFunc(w.events, func(e Event) bool { return e.token != w.token })
}

// clear removes what is left of a create that failed. What it still holds is
// said first, and somebody has to agree where that is anything, or where a
// change set waits for somebody.
func (o *Operator) clear(ctx context.Context, r Request, stack Stack) error {
	holds, err := o.holds(ctx, stack)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("stack %s is %s: %s", stack.Name, stack.Status, stack.Status.Meaning())
	if len(holds) == 0 && stack.Status != StatusReview {
		o.step(what + "; it holds nothing, and is removed")
		return o.deleteStack(ctx, stack)
	}
	if len(holds) == 0 {
		what += "; it holds nothing"
	}
	for _, h := range holds {
		what += fmt.Sprintf("\n  it still holds %s %s (%s)", h.Type, h.PhysicalID, h.LogicalID)
	}
	if r.Agree == nil {
		return o.refuse(ctx, "update", stack)
	}
	if err := r.Agree(what, "Remove it and make the stack anew?"); err != nil {
		return err
	}
	return o.deleteStack(ctx, stack)
}

// continueRollback finishes a rollback that failed.
func (o *Operator) continueRollback(ctx context.Context, r Request, stack Stack) error {
	w, err := o.lookBack(ctx, stack.ID, "rollback-"+o.Token(), opOther)
	if err != nil {
		return err
	}
	text := "continuing the rollback of stack " + stack.Name
	if len(r.Skip) > 0 {
		text += ", without " + strings.Join(r.Skip, ", ")
	}
	o.step(text)
	_, err = o.Stacks.ContinueUpdateRollback(ctx, &cfn.ContinueUpdateRollbackInput{StackName: &stack.ID, ResourcesToSkip: r.Skip, ClientRequestToken: &w.token})
	if err != nil {
		return fmt.Errorf("continue the rollback of %s: %w", stack.Name, err)
	}
	after, err := o.follow(ctx, w)
	if err != nil {
		return err
	}
	if after.Status != "UPDATE_ROLLBACK_COMPLETE" {
		return w.failed("continue the rollback of", after)
	}
	return nil
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
)

// Spec is a deploy that a user asks for.
type Spec struct {
	Stack string
	// ArtifactBucket receives the functions' code, and a template that is too large for
	// a request.
	ArtifactBucket string
	// Build returns the desired state. It is called at most once, after the stack was
	// read and the secrets were requested, because it takes long.
	Build func(ctx context.Context, current stack.Current) (Build, error)
	// CodeOnly updates only the functions' code of an existing stack.
	CodeOnly bool
	// Wait waits for another operation to end instead of failing.
	Wait bool
	// ContinueRollback finishes a failed rollback, without the resources with the
	// logical ids in Skip.
	ContinueRollback bool
	Skip             []string
}

// Build is the desired state of a stack with the functions' code that it needs.
type Build struct {
	stack.Spec
	Artifacts []artifact.Artifact
}

// Decisions are requested each time a deploy reaches the step. Nil means consent,
// except for ConfirmRecreate and Secrets.
type Decisions struct {
	// CheckOwner is called before an existing stack is changed. An error ends the
	// deploy.
	CheckOwner func(context.Context, stack.Stack) error
	// CheckUpdate is called before the upload for an update. It returns the logical ids
	// of stateful resources without data of their own, which may be replaced.
	CheckUpdate func(stack.Current, stack.Spec) (replaceable []string, err error)
	// Approve is called before an update begins.
	Approve func(context.Context, []stack.Change) error
	// ConfirmRecreate is called before the remains of a failed create are deleted. Nil
	// declines.
	ConfirmRecreate func(ctx context.Context, remains, question string) error
	// ConfirmUndo is called before the remains of a failed create are deleted that may be
	// needed: another program began the create, events were accepted, or it failed more
	// than a day ago. Remains lists the database and the bucket. Nil declines.
	ConfirmUndo func(ctx context.Context, stack, remains string) error
	// Secrets returns values for parameters that an existing stack keeps. It is called
	// once, before Build, if a stack will be created. Nil returns none.
	Secrets func(context.Context) (map[string]string, error)
}

// Outcome is a completed deploy.
type Outcome struct {
	Stack   stack.Stack
	Created bool
	Changed bool
	// Orphans are resources that an update replaced or dropped, but CloudFormation
	// could not delete.
	Orphans []stack.Event
}

// Run creates the stack, or updates it through a change set, and follows the operation
// to its end. It does not change a stack that is already as desired. The status table
// decides on the action for each status. After an interruption, the same call resumes.
func (o *Operator) Run(ctx context.Context, spec Spec, d Decisions) (Outcome, error) {
	r := &run{parts: o.parts(), spec: spec, decide: d}
	r.stacks.UploadTemplate = r.store(spec.ArtifactBucket).UploadTemplate
	for {
		s, action, err := r.read(ctx, "update")
		if err != nil {
			return Outcome{}, err
		}
		again, err := r.act(ctx, s, action)
		if err != nil || !again {
			return r.outcome, err
		}
	}
}

// run is one deploy.
type run struct {
	parts
	spec    Spec
	decide  Decisions
	secrets map[string]string
	built   *Build
	current stack.Current // the template is nil for a stack that will be created
	outcome Outcome
}

// read reads the stack and looks up its status in the table. A status that does not
// allow the operation is an error.
func (r *run) read(ctx context.Context, op string) (stack.Stack, stack.Action, error) {
	s, err := r.stacks.Describe(ctx, r.spec.Stack)
	if errors.Is(err, stack.ErrNotFound) && !r.spec.CodeOnly {
		return stack.Stack{Name: r.spec.Stack}, stack.Create, nil
	}
	if err != nil {
		return s, "", err
	}
	r.current = stack.Current{Stack: s}
	action := s.Status.Deploy()
	if action, err = r.ownRemains(ctx, s, action); err != nil {
		return s, action, err
	}
	switch {
	case action == stack.Refuse, action == stack.Resume && !r.spec.ContinueRollback:
		return s, action, r.refuse(ctx, op, s, s.Status.Next())
	case r.spec.CodeOnly && (action == stack.Create || action == stack.Recreate):
		return s, action, r.refuse(ctx, op, s, "`streamctl deploy` without --code deletes the remains and creates the stack")
	}
	return s, action, nil
}

// ownRemains corrects the action for a failed create that a deploy is removing, or that
// CloudFormation rolls back: the deploy continues.
func (r *run) ownRemains(ctx context.Context, s stack.Stack, action stack.Action) (stack.Action, error) {
	switch s.Status {
	case stack.StatusRollingBack:
		c, err := stack.ReadCreation(ctx, r.stacks, s)
		if c.Own() && !c.Completed {
			action = stack.Attach
		}
		return action, err
	case stack.StatusDeleting, stack.StatusDeleteFailed:
		purpose, err := r.stacks.LastDelete(ctx, s)
		switch {
		case purpose == stack.Undo && s.Status == stack.StatusDeleting:
			action = stack.Attach
		case purpose == stack.Undo:
			action = stack.Recreate
		}
		return action, err
	}
	return action, nil
}

func (r *run) refuse(ctx context.Context, op string, s stack.Stack, advice string) error {
	holds, err := r.stacks.Holdings(ctx, s)
	if err != nil {
		return err
	}
	return &stack.StateError{Op: op, Stack: s.Name, Status: s.Status, Holds: holds, Advice: advice}
}

// act performs an action. again reports that the stack must be read again.
func (r *run) act(ctx context.Context, s stack.Stack, action stack.Action) (again bool, err error) {
	switch action {
	case stack.Create:
		return false, r.create(ctx, s)
	case stack.Update:
		return false, r.update(ctx, s)
	case stack.Recreate:
		return false, r.recreate(ctx, s)
	case stack.Resume:
		return true, r.stacks.ContinueRollback(ctx, s, r.spec.Skip)
	default: // Attach, Wait
		return r.attach(ctx, s, action)
	}
}

// build returns the desired state, and builds it first if necessary.
func (r *run) build(ctx context.Context) (*Build, error) {
	if r.built != nil {
		return r.built, nil
	}
	b, err := r.spec.Build(ctx, r.current)
	if err != nil {
		return nil, err
	}
	b.Stack, b.ParametersOnly = r.spec.Stack, r.spec.CodeOnly
	r.built = &b
	return r.built, nil
}

// askSecrets requests the values that a new stack needs.
func (r *run) askSecrets(ctx context.Context) (err error) {
	if r.secrets == nil && r.decide.Secrets != nil {
		r.secrets, err = r.decide.Secrets(ctx)
	}
	return err
}

// upload uploads the functions' code.
func (r *run) upload(ctx context.Context) error {
	b, err := r.build(ctx)
	if err != nil || len(b.Artifacts) == 0 {
		return err
	}
	return r.store(r.spec.ArtifactBucket).EnsureAndUpload(ctx, b.Artifacts)
}

func (r *run) create(ctx context.Context, s stack.Stack) error {
	return runSteps(ctx, []step{
		{"ask for the secrets", func(ctx context.Context) (bool, error) { return false, r.askSecrets(ctx) }},
		{"build the functions and render the template", func(ctx context.Context) (bool, error) { _, err := r.build(ctx); return false, err }},
		{"delete the remains of a failed create", func(ctx context.Context) (bool, error) { return false, r.removeFailedCreate(ctx, s) }},
		{"upload the code", func(ctx context.Context) (bool, error) { return false, r.upload(ctx) }},
		{"create the stack", func(ctx context.Context) (bool, error) { return false, r.createStack(ctx) }},
	})
}

func (r *run) createStack(ctx context.Context) error {
	spec := r.built.Spec
	spec.Parameters, spec.Previous = maps.Clone(spec.Parameters), nil
	for _, name := range r.built.Previous {
		if value, known := r.secrets[name]; known {
			spec.Parameters[name] = value
		} else {
			spec.Previous = append(spec.Previous, name)
		}
	}
	resources, err := stacktemplate.Parse(spec.Template)
	if err != nil {
		return err
	}
	r.expect("create", stacktemplate.Types(resources))
	result, err := r.stacks.Create(ctx, spec)
	return r.finish(ctx, result, err)
}

// finish sets the outcome of a completed create or update, restores what no
// template sets, and undoes a canceled create.
func (r *run) finish(ctx context.Context, result stack.Result, err error) error {
	if failed := (*stack.FailedError)(nil); errors.As(err, &failed) && result.Stack.Status == stack.StatusRollbackFailed {
		return r.undoOwn(ctx, failed, result.Stack)
	}
	ctx = context.WithoutCancel(ctx) // the operation is complete, even if the user interrupted it
	r.outcome.Stack, r.outcome.Orphans = result.Stack, result.Orphans
	if canceled := (*stack.CanceledError)(nil); errors.As(err, &canceled) && canceled.Op == "create" {
		return r.undoCreate(ctx, canceled, result.Stack)
	}
	if err != nil {
		return err
	}
	r.outcome.Created, r.outcome.Changed = result.Created, true
	if result.Created {
		return nil
	}
	_, err = r.restoreOutOfBand(ctx, stack.Current{Stack: result.Stack, Template: r.built.Template}, r.built.Protected)
	return errors.Join(err, r.stacks.SetPolicy(ctx, result.Stack, r.built.Policy))
}

// recreate creates a stack in place of the remains of a failed create.
func (r *run) recreate(ctx context.Context, s stack.Stack) error {
	if err := r.checkOwner(ctx, s); err != nil {
		return err
	}
	return r.create(ctx, s)
}

// removeFailedCreate deletes the remains of a failed create. It requires confirmation
// if the stack still owns resources, or if another operator may be about to execute its
// change set.
func (r *run) removeFailedCreate(ctx context.Context, s stack.Stack) error {
	switch s.Status {
	case "":
		return nil
	case stack.StatusRollbackFailed, stack.StatusDeleteFailed:
		return r.undoEarlier(ctx, s)
	}
	if s.Status.Deploy() != stack.Recreate {
		return nil
	}
	holds, err := r.stacks.Holdings(ctx, s)
	if err != nil {
		return err
	}
	remains := fmt.Sprintf("stack %s is %s: %s", s.Name, s.Status, s.Status.Meaning())
	switch {
	case len(holds) == 0 && s.Status != stack.StatusReview:
		r.Step("%s; it owns no resources and is deleted", remains)
		return r.deleteRemains(ctx, s)
	case len(holds) == 0:
		remains += "; it owns no resources"
	}
	for _, h := range holds {
		remains += fmt.Sprintf("\n  remaining: %s %s (%s)", h.Type, h.PhysicalID, h.LogicalID)
	}
	if r.decide.ConfirmRecreate == nil {
		return r.refuse(ctx, "update", s, s.Status.Next())
	}
	if err := r.decide.ConfirmRecreate(ctx, remains, "Delete it and create the stack again?"); err != nil {
		return err
	}
	return r.deleteRemains(ctx, s)
}

// deleteRemains deletes the rest of a failed create, whose termination protection is
// still set.
func (r *run) deleteRemains(ctx context.Context, s stack.Stack) error {
	if _, err := r.stacks.Protect(ctx, s, false); err != nil {
		return err
	}
	return r.deleteStack(ctx, s, nil, stack.Undo)
}

// attach handles a running operation. It follows an operation of an earlier run of the
// same deploy to its end, and waits for any other operation if the user asked for that.
func (r *run) attach(ctx context.Context, s stack.Stack, action stack.Action) (again bool, err error) {
	// An earlier run of a deploy, or the rollback of its create, removes the remains.
	undone := action == stack.Attach && (s.Status == stack.StatusDeleting || s.Status == stack.StatusRollingBack)
	if s.Status == stack.StatusDeleting && r.spec.Wait || undone { // a create comes next
		if err := r.askSecrets(ctx); err != nil {
			return false, err
		}
	}
	var spec stack.Spec
	if action == stack.Attach && !undone && !r.spec.CodeOnly {
		b, err := r.build(ctx)
		if err != nil {
			return false, err
		}
		spec = b.Spec
	}
	running, err := r.stacks.Attach(ctx, spec, s)
	switch {
	case err != nil:
		return false, err
	case running.Own:
		result, err := running.Finish(ctx)
		return false, r.finish(ctx, result, err)
	case !r.spec.Wait && !undone:
		return false, &stack.BusyError{Stack: s.Name, Status: s.Status, Since: running.Since}
	}
	return true, running.Wait(ctx)
}

// undoCreate deletes the remains of a canceled create: a protected database makes the
// first delete fail. If data may be needed, it is deleted as a destroy does, with a final
// snapshot.
func (r *run) undoCreate(ctx context.Context, canceled *stack.CanceledError, s stack.Stack) error {
	remains, _, err := r.planUndo(ctx, s)
	if err != nil {
		return errors.Join(canceled, err)
	}
	if s.Status == stack.StatusDeleteComplete {
		u := &undo{parts: r.parts, plan: remains}
		if len(remains.Doubts) == 0 && !r.hasSnapshot(ctx, remains) { // otherwise the key is needed to read it
			if _, err := u.scheduleKeys(ctx); err != nil {
				return errors.Join(canceled, err)
			}
		}
		_, err := u.sweep(ctx)
		canceled.Left = u.left
		return errors.Join(canceled, err)
	}
	var left []stack.Leftover
	if len(remains.Doubts) == 0 {
		left, err = (&undo{parts: r.parts, plan: remains}).run(ctx)
	} else {
		var plan Plan
		if plan, err = r.plan(ctx, s.ID, DestroyOptions{LiftProtection: true}); err != nil {
			return errors.Join(canceled, err)
		}
		left, err = (&destroy{parts: r.parts, plan: plan}).run(ctx)
	}
	if err == nil {
		canceled.Status = stack.StatusDeleteComplete
	}
	canceled.Left = left
	return errors.Join(canceled, err)
}

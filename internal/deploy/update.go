package deploy

import (
	"context"
	"errors"
	"slices"

	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
)

const (
	typeInstance   = "AWS::RDS::DBInstance"
	typeDeployment = "AWS::ApiGateway::Deployment"
)

// update is an update of an existing stack.
type update struct {
	*run
	current stack.Current
	spec    stack.Spec
	changes []stack.Change
	set     *stack.ChangeSet // nil for an update of parameters alone
	begun   bool
}

func (r *run) update(ctx context.Context, s stack.Stack) error {
	u := &update{run: r, current: stack.Current{Stack: s}}
	err := runSteps(ctx, []step{
		{"check the owner", func(ctx context.Context) (bool, error) { return false, r.checkOwner(ctx, s) }},
		{"read the template of the stack", u.readTemplate},
		{"build the functions and render the template", u.complete},
		{"compare", u.compare},
		{"check the update", u.check},
		{"upload the code", func(ctx context.Context) (bool, error) { return false, r.upload(ctx) }},
		{"wait for busy resources", u.await},
		{"create a change set", u.prepare},
		{"approve the changes", u.approve},
		{"restore the stage's deployment", u.restoreDeployment},
		{"update the stack", u.execute},
	})
	if u.set != nil && !u.begun {
		return errors.Join(err, r.stacks.Discard(context.WithoutCancel(ctx), u.set.ID))
	}
	return err
}

func (r *run) checkOwner(ctx context.Context, s stack.Stack) error {
	if r.decide.CheckOwner == nil {
		return nil
	}
	return r.decide.CheckOwner(ctx, s)
}

func (u *update) readTemplate(ctx context.Context) (bool, error) {
	body, err := u.stacks.Template(ctx, u.current.Stack)
	u.current.Template = body
	u.run.current = u.current
	return false, err
}

func (u *update) complete(ctx context.Context) (bool, error) {
	b, err := u.build(ctx)
	if err == nil {
		b.Spec = b.Complete(u.current)
		u.spec = b.Spec
	}
	return false, err
}

// compare ends the update if the stack is as desired, after restoring the settings
// outside the template.
func (u *update) compare(ctx context.Context) (done bool, err error) {
	if u.current.NeedsUpdate(u.spec) {
		return false, nil
	}
	return true, u.unchanged(ctx)
}

func (u *update) unchanged(ctx context.Context) error {
	changed, err := u.restoreOutOfBand(ctx, u.current, u.spec.Protected)
	u.outcome = Outcome{Stack: u.current.Stack, Changed: changed}
	return err
}

// check runs the update's own checks, before the upload.
func (u *update) check(context.Context) (bool, error) {
	if u.decide.CheckUpdate == nil {
		return false, nil
	}
	replaceable, err := u.decide.CheckUpdate(u.current, u.spec)
	u.spec.AllowReplace = append(slices.Clone(u.spec.AllowReplace), replaceable...)
	return false, err
}

// await waits until the API is available: while it is changed, an update or its rollback
// may fail.
func (u *update) await(ctx context.Context) (bool, error) {
	if api := u.current.Stack.Outputs[u.layout.Outputs.API]; api != "" {
		return false, pipeline.AwaitAPI(ctx, u.pipeline, api)
	}
	return false, nil
}

// prepare creates the change set. Without changes it ends the update.
func (u *update) prepare(ctx context.Context) (done bool, err error) {
	if u.spec.ParametersOnly {
		u.changes, err = u.spec.ParameterChanges(u.current)
		return false, err
	}
	if u.set, err = u.stacks.Prepare(ctx, u.spec, u.current.Stack); err != nil {
		return false, err
	}
	if u.set == nil {
		return true, u.unchanged(ctx)
	}
	u.changes = u.set.Changes
	return false, nil
}

// approve rejects a loss of data that the user did not allow, and asks for approval of
// the other changes.
func (u *update) approve(ctx context.Context) (bool, error) {
	if lost := lossy(u.changes, u.spec.AllowReplace, u.layout.StatefulTypes); len(lost) > 0 {
		return false, &stack.ReplaceError{Stack: u.spec.Stack, Changes: lost}
	}
	types := map[string]string{}
	for _, c := range u.changes {
		types[c.LogicalID] = c.Type
	}
	u.expect("update", types)
	if u.decide.Approve == nil {
		return false, nil
	}
	return false, u.decide.Approve(ctx, u.changes)
}

// lossy returns the changes that would lose data and are not allowed.
func lossy(changes []stack.Change, allowed, statefulTypes []string) []stack.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c stack.Change) bool {
		return !c.LosesData(statefulTypes) || slices.Contains(allowed, c.LogicalID)
	})
}

func (u *update) restoreDeployment(ctx context.Context) (bool, error) {
	suspended, err := u.findSuspended(ctx, u.current)
	if err != nil {
		return false, err
	}
	_, err = u.pipeline.RestoreDeployment(ctx, suspended)
	return false, err
}

func (u *update) execute(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	u.begun = true
	result, err := u.stacks.Execute(ctx, u.spec, u.current.Stack, u.set)
	return true, u.finish(ctx, result, err)
}

// restoreOutOfBand restores the settings outside the template: those that an unfinished
// destroy changed, and termination protection.
func (p parts) restoreOutOfBand(ctx context.Context, current stack.Current, protected bool) (changed bool, err error) {
	suspended, err := p.findSuspended(ctx, current)
	if err != nil {
		return false, err
	}
	resumed, err := p.pipeline.Resume(ctx, suspended, func(ctx context.Context) error { return p.protectDatabases(ctx, current) })
	if err != nil {
		return resumed, err
	}
	changed, err = p.stacks.Protect(ctx, current.Stack, protected)
	return resumed || changed, err
}

// protectDatabases restores the databases' deletion protection of the template, which
// an unfinished destroy lifted.
func (p parts) protectDatabases(ctx context.Context, current stack.Current) error {
	resources, err := stacktemplate.Parse(current.Template)
	if err != nil {
		return err
	}
	for logicalID, r := range resources {
		if r.Type != typeInstance || r.Properties["DeletionProtection"] != "true" {
			continue
		}
		id, err := p.stacks.PhysicalID(ctx, current.Stack, logicalID)
		if err != nil {
			return err
		}
		if _, err := p.databases.Protect(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// findSuspended reads the differences between the pipeline and its template.
func (p parts) findSuspended(ctx context.Context, current stack.Current) (pipeline.Suspended, error) {
	return p.pipeline.Find(ctx, current.Stack, p.layout.Outputs, func(ctx context.Context) (string, error) {
		resources, err := stacktemplate.Parse(current.Template)
		if err != nil {
			return "", err
		}
		for logicalID, r := range resources {
			if r.Type == typeDeployment {
				return p.stacks.PhysicalID(ctx, current.Stack, logicalID)
			}
		}
		return "", nil
	})
}

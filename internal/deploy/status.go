package deploy

import (
	"context"
	"errors"
	"slices"

	"github.com/streamctl/streamctl/internal/artifact"
	"github.com/streamctl/streamctl/internal/deploy/code"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
)

// Inspection is the state of a stack and its pipeline.
type Inspection struct {
	Stack     stack.Stack
	Resources []stack.Resource
	// Template is the stack's template; empty if it could not be read.
	Template []byte
	// Unsettled are resources whose last operation did not succeed.
	Unsettled []stack.Resource
	// Suspended is the difference between the pipeline and its template.
	Suspended pipeline.Suspended
	// SuspendedErr is why Suspended is unknown; nil if it is known.
	SuspendedErr error
}

// Describe reads a stack by name or by id. The error for a missing stack is
// stack.ErrNotFound.
func (o *Operator) Describe(ctx context.Context, nameOrID string) (stack.Stack, error) {
	return o.parts().stacks.Describe(ctx, nameOrID)
}

// Inspect reads a stack and its pipeline. It changes nothing.
func (o *Operator) Inspect(ctx context.Context, nameOrID string) (Inspection, error) {
	p := o.parts()
	var out Inspection
	err := runSteps(ctx, []step{
		{"read the stack", func(ctx context.Context) (_ bool, err error) {
			out.Stack, err = p.stacks.Describe(ctx, nameOrID)
			return false, err
		}},
		{"list its resources", func(ctx context.Context) (_ bool, err error) {
			out.Resources, err = p.stacks.Resources(ctx, out.Stack.ID)
			out.Unsettled = slices.DeleteFunc(slices.Clone(out.Resources), func(r stack.Resource) bool {
				return slices.Contains([]string{"CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}, r.Status)
			})
			return false, err
		}},
		{"compare the pipeline with its template", func(ctx context.Context) (bool, error) {
			if out.Stack.Status.HasReliableOutputs() {
				if out.Template, out.SuspendedErr = p.stacks.Template(ctx, out.Stack); out.SuspendedErr == nil {
					out.Suspended, out.SuspendedErr = p.findSuspended(ctx, stack.Current{Stack: out.Stack, Template: out.Template})
				}
			}
			return true, nil
		}},
	})
	return out, err
}

// Follow shows the stack's running operation to its end, also one of another operator.
// If none runs, it returns the stack. It never cancels the operation.
func (o *Operator) Follow(ctx context.Context, name string) (stack.Stack, error) {
	p := o.parts()
	p.stacks.Interrupted = nil
	s, err := p.stacks.Describe(ctx, name)
	if err != nil {
		return s, err
	}
	switch s.Status {
	case stack.StatusCreating:
		body, err := p.stacks.Template(ctx, s)
		if err != nil {
			return s, err
		}
		resources, err := stacktemplate.Parse(body)
		if err != nil {
			p.Step("The number of resources is unknown: %v", err)
		}
		p.expect("create", stacktemplate.Types(resources))
	case stack.StatusDeleting:
		resources, err := p.stacks.Resources(ctx, s.ID)
		if err != nil {
			return s, err
		}
		p.expect("delete", stack.Types(resources))
	}
	return p.stacks.Follow(ctx, name)
}

// Comparison is a stack beside its desired state.
type Comparison struct {
	// Action is the action of a deploy: Create, Recreate or Update.
	Action  stack.Action
	Current stack.Current // without a template if the stack would be created
	Spec    stack.Spec
	// Diff lists the differing parts.
	Diff []string
	// Changes are the changes of the change set; only Preview sets them. Estimated
	// reports that they were computed from the templates, because the new one is too
	// large for a change set without an upload.
	Changes   []stack.Change
	Estimated bool
	// Lost are the logical ids of stateful resources whose data would be lost, which
	// makes a deploy stop.
	Lost []string
}

// Compare compares a stack with its desired state. It makes no mutating call. A
// stack whose status does not allow a deploy is an error, as in Run.
func (o *Operator) Compare(ctx context.Context, spec Spec, op string) (Comparison, error) {
	r := &run{parts: o.parts(), spec: spec}
	c, err := r.compare(ctx, op)
	return c, err
}

func (r *run) compare(ctx context.Context, op string) (c Comparison, err error) {
	if c.Current.Stack, c.Action, err = r.read(ctx, op); err != nil {
		return c, err
	}
	if c.Action == stack.Attach || c.Action == stack.Wait {
		s := c.Current.Stack
		return c, &stack.BusyError{Stack: s.Name, Status: s.Status, Since: s.Since()}
	}
	if c.Action == stack.Resume {
		return c, r.refuse(ctx, op, c.Current.Stack, c.Current.Stack.Status.Next())
	}
	if c.Action == stack.Update {
		if c.Current.Template, err = r.stacks.Template(ctx, c.Current.Stack); err != nil {
			return c, err
		}
	}
	r.current = c.Current
	b, err := r.build(ctx)
	if err != nil {
		return c, err
	}
	c.Spec = b.Complete(c.Current)
	if c.Action == stack.Update {
		c.Diff = c.Current.Diff(c.Spec)
	}
	return c, nil
}

// Preview computes the changes of a deploy. It creates a change set and deletes it
// again.
func (o *Operator) Preview(ctx context.Context, spec Spec, d Decisions) (Comparison, error) {
	r := &run{parts: o.parts(), spec: spec, decide: d}
	r.stacks.UploadTemplate = func(context.Context, []byte) (string, error) { return "", errTooLarge }
	c, err := r.compare(ctx, "preview the update of")
	if err != nil || c.Action != stack.Update {
		return c, err
	}
	u := &update{run: r, current: c.Current, spec: c.Spec}
	err = runSteps(ctx, []step{
		{"check the update", u.check},
		{"create a change set", func(ctx context.Context) (bool, error) {
			if !u.current.NeedsUpdate(u.spec) {
				return true, nil
			}
			var err error
			u.set, err = r.stacks.Prepare(ctx, u.spec, u.current.Stack)
			if errors.Is(err, errTooLarge) {
				c.Estimated = true
				c.Changes, err = estimate(u.current, u.spec)
			}
			return u.set == nil, err
		}},
		{"delete the change set", func(ctx context.Context) (bool, error) {
			return true, r.stacks.Discard(context.WithoutCancel(ctx), u.set.ID)
		}},
	})
	if u.set != nil {
		c.Changes = u.set.Changes
	}
	if err == nil {
		for _, x := range lossy(c.Changes, u.spec.AllowReplace, r.layout.StatefulTypes) {
			c.Lost = append(c.Lost, x.LogicalID)
		}
	}
	return c, err
}

var errTooLarge = errors.New("the template is too large for a request, and a dry run uploads nothing")

// Prune deletes the code in an artifact bucket that no stack uses.
func (o *Operator) Prune(ctx context.Context, bucket string, dryRun bool) (code.Pruned, error) {
	p := o.parts()
	return p.store(bucket).Prune(ctx, p.stacks.ParameterValues, p.Clock.Now(), dryRun)
}

// UploadTemplate uploads a template to an artifact bucket, which it creates if
// necessary, and returns its URL for create-stack.
func (o *Operator) UploadTemplate(ctx context.Context, bucket string, body []byte) (url string, err error) {
	return o.parts().store(bucket).UploadTemplate(ctx, body)
}

// Upload uploads artifacts to an artifact bucket, which it creates if necessary, and
// returns the functions whose code the bucket lacked.
func (o *Operator) Upload(ctx context.Context, bucket string, artifacts []artifact.Artifact) ([]string, error) {
	s := o.parts().store(bucket)
	if err := s.Ensure(ctx); err != nil {
		return nil, err
	}
	return s.Upload(ctx, artifacts)
}

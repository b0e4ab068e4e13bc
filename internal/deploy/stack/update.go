package stack

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Execute begins an update that was approved, and follows it to its end: the
// update of the change set, or, without one, the update of parameters alone.
func (c *Client) Execute(ctx context.Context, spec Spec, s Stack, set *ChangeSet) (Result, error) {
	o := newOperation(c, s.ID, spec.token()+c.Token(), opUpdate)
	if err := o.skipPast(ctx); err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	if set == nil {
		c.Step("Updating the parameters of stack %s", s.Name)
	} else {
		c.Step("Updating stack %s", s.Name)
	}
	// After this call, canceling means CancelUpdateStack.
	if err := o.beginUpdate(context.WithoutCancel(ctx), spec, set); err != nil {
		return Result{}, fmt.Errorf("update stack %s: %w", s.Name, err)
	}
	return o.finish(ctx)
}

func (o *operation) beginUpdate(ctx context.Context, spec Spec, set *ChangeSet) error {
	c := o.client
	lossy := set != nil && slices.ContainsFunc(set.Changes, func(x Change) bool { return x.LosesData(c.StatefulTypes) })
	if set != nil && (spec.Policy == "" || !lossy) {
		_, err := c.API.ExecuteChangeSet(ctx, &cfn.ExecuteChangeSetInput{
			ChangeSetName: &set.ID, ClientRequestToken: &o.token, DisableRollback: aws.Bool(false), RetainExceptOnCreate: aws.Bool(true),
		})
		return err
	}
	in := &cfn.UpdateStackInput{
		StackName: &o.id, Parameters: parameters(spec), Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		ClientRequestToken: &o.token, DisableRollback: aws.Bool(false), RetainExceptOnCreate: aws.Bool(true),
	}
	if set == nil {
		in.UsePreviousTemplate = aws.Bool(true)
	} else {
		// A resource that the stack policy protects may be replaced: the policy is
		// lifted during the update, which a change set can't do.
		var err error
		if in.TemplateBody, in.TemplateURL, err = c.templateArgument(ctx, spec.Template); err != nil {
			return err
		}
		in.Tags, in.StackPolicyBody, in.StackPolicyDuringUpdateBody = tags(spec.Tags), &spec.Policy, aws.String(permissivePolicy)
	}
	_, err := c.API.UpdateStack(ctx, in)
	return err
}

// ParameterChanges are the changes of an update of parameters alone. A parameter
// that the stack's template lacks is an error.
func (s Spec) ParameterChanges(current Current) ([]Change, error) {
	var out []Change
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		before, known := current.Stack.Parameters[name]
		if !known {
			return nil, fmt.Errorf("update stack %s: its template has no parameter %s: deploy the whole stack", s.Stack, name)
		}
		if after := s.Parameters[name]; after != before {
			out = append(out, Change{Action: "Modify", LogicalID: name, Type: "Parameter", Properties: []Property{{Name: "Value", Before: before, After: after}}})
		}
	}
	return out, nil
}

// ContinueRollback finishes a failed rollback, without the resources with the
// logical ids in skip.
func (c *Client) ContinueRollback(ctx context.Context, s Stack, skip []string) error {
	o := newOperation(c, s.ID, "rollback-"+c.Token(), opOther)
	if err := o.skipPast(ctx); err != nil {
		return err
	}
	text := "Continuing the rollback of stack " + s.Name
	if len(skip) > 0 {
		text += ", without " + strings.Join(skip, ", ")
	}
	c.Step("%s", text)
	_, err := c.API.ContinueUpdateRollback(ctx, &cfn.ContinueUpdateRollbackInput{StackName: &s.ID, ResourcesToSkip: skip, ClientRequestToken: &o.token})
	if err != nil {
		return fmt.Errorf("continue the rollback of stack %s: %w", s.Name, err)
	}
	after, err := o.follow(ctx)
	if err != nil {
		return err
	}
	if after.Status != StatusUpdateRolledBack {
		return o.failed(ctx, "continue the rollback of", after)
	}
	return nil
}

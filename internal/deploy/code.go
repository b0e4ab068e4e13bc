package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// UpdateParameters changes parameters of a stack and nothing else: the template,
// the other values and the tags stay what they are. It is an update like any
// other, and undone like any other. Where every value is the stack's already,
// nothing is done.
func (o *Operator) UpdateParameters(ctx context.Context, current Current, values map[string]string) (Outcome, error) {
	stack := current.Stack
	r := Request{Stack: stack.Name, Template: current.Template, Parameters: values, Tags: stack.Tags, Protected: stack.Protected}
	in := &cfn.UpdateStackInput{
		StackName: &stack.ID, UsePreviousTemplate: aws.Bool(true), Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		DisableRollback: aws.Bool(false), RetainExceptOnCreate: aws.Bool(true),
	}
	changed := false
	for _, name := range slices.Sorted(maps.Keys(stack.Parameters)) {
		p := types.Parameter{ParameterKey: aws.String(name), UsePreviousValue: aws.Bool(true)}
		if value, given := values[name]; given && value != stack.Parameters[name] {
			p.UsePreviousValue, p.ParameterValue, changed = nil, &value, true
		}
		in.Parameters = append(in.Parameters, p)
	}
	for name := range values {
		if _, known := stack.Parameters[name]; !known {
			return Outcome{}, fmt.Errorf("update stack %s: its template has no parameter %s: deploy the whole stack", stack.Name, name)
		}
	}
	if !changed {
		started, err := o.settle(ctx, stack, r)
		return Outcome{Stack: stack, Changed: started}, err
	}
	w, err := o.lookBack(ctx, stack.ID, r.token()+o.Token(), opUpdate)
	if err != nil {
		return Outcome{}, err
	}
	if err := ctx.Err(); err != nil { // from here on it is cancelled in the open
		return Outcome{}, err
	}
	in.ClientRequestToken = &w.token
	o.step("updating the code of stack " + stack.Name)
	if _, err := o.Stacks.UpdateStack(context.WithoutCancel(ctx), in); err != nil {
		return Outcome{}, fmt.Errorf("update stack %s: %w", stack.Name, err)
	}
	after, err := o.follow(ctx, w)
	if err != nil {
		return Outcome{}, err
	}
	return o.end(ctx, r, w, after)
}

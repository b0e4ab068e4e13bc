package deploy

import (
	"maps"
	"slices"

	"github.com/streamctl/streamctl/internal/cfnregistry"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/pattern"
	"github.com/streamctl/streamctl/internal/stacktemplate"
)

// estimate computes the changes of an update from the templates and parameters, without
// a change set. Whether a resource is replaced follows from the create-only properties
// in CloudFormation's registry.
func estimate(current stack.Current, spec stack.Spec) ([]stack.Change, error) {
	before, err := stacktemplate.Parse(current.Template)
	if err != nil {
		return nil, err
	}
	after, err := stacktemplate.Parse(spec.Template)
	if err != nil {
		return nil, err
	}
	old, err := stacktemplate.Texts(current.Template)
	if err != nil {
		return nil, err
	}
	next, err := stacktemplate.Texts(spec.Template)
	if err != nil {
		return nil, err
	}
	uses := changedParameters(current, spec)
	all := maps.Clone(before)
	maps.Copy(all, after)
	var out []stack.Change
	for _, id := range slices.Sorted(maps.Keys(all)) {
		c := stack.Change{LogicalID: id, Type: all[id].Type}
		_, was := before[id]
		_, is := after[id]
		switch {
		case !was:
			c.Action = "Add"
		case !is:
			c.Action = "Remove"
		default:
			c.Action, c.Replacement = "Modify", "False"
			if before[id].Type != after[id].Type {
				c.Replacement = "True"
			}
			c.Properties = changedProperties(&c, old[id], next[id], uses)
			if len(c.Properties) == 0 && c.Replacement == "False" {
				continue
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// changedProperties returns the properties that differ or use a changed parameter, and
// sets the change's replacement.
func changedProperties(c *stack.Change, old, next map[string]string, uses func(text string) bool) (out []stack.Property) {
	names := maps.Clone(old)
	maps.Copy(names, next)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if old[name] == next[name] && !uses(next[name]) {
			continue
		}
		effect := cfnregistry.Replacement(c.Type, name)
		switch {
		case effect == "Always":
			c.Replacement = "True"
		case effect == "Conditionally" && c.Replacement == "False":
			c.Replacement = "Conditional"
		}
		out = append(out, stack.Property{Name: name, Recreate: effect})
	}
	return out
}

// parameterUse matches names in the text of a property: of Ref and of Sub.
var parameterUse = pattern.New(`[A-Za-z][A-Za-z0-9]*`)

// changedParameters returns a function that reports whether a text uses a parameter
// whose value changes.
func changedParameters(current stack.Current, spec stack.Spec) func(text string) bool {
	changed := map[string]bool{}
	for name, value := range spec.Parameters {
		if current.Stack.Parameters[name] != value {
			changed[name] = true
		}
	}
	return func(text string) bool {
		return slices.ContainsFunc(parameterUse.Regexp().FindAllString(text, -1), func(name string) bool { return changed[name] })
	}
}

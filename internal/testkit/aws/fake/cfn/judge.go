package cfn

import (
	"regexp"
	"slices"
	"strings"
)

// judge finds missing references, unknown types and attributes, cycles and
// policies that a type cannot have; it sets each resource's dependencies.
func (t *Template) judge(kinds Kinds) error {
	var unknown []string
	for _, id := range sortedKeys(t.Resources) {
		r := t.Resources[id]
		kind, ok := kinds.Kind(r.Type)
		if !ok {
			if !slices.Contains(unknown, r.Type) {
				unknown = append(unknown, r.Type)
			}
			continue
		}
		if (r.DeletionPolicy == "Snapshot" || r.UpdateReplacePolicy == "Snapshot") && !kind.Snapshot {
			return invalid("Template error: resource type %s does not support deletion policy Snapshot", r.Type)
		}
		if !r.hasDeletionPolicySet && kind.DefaultPolicy != "" {
			r.DeletionPolicy = kind.DefaultPolicy
			t.Resources[id] = r
		}
	}
	if len(unknown) > 0 {
		return invalid("Template format error: Unrecognized resource types: [%s]", strings.Join(unknown, ", "))
	}
	for _, id := range sortedKeys(t.Resources) {
		r := t.Resources[id]
		var found references
		if err := found.collect(r.Properties); err != nil {
			return err
		}
		for _, dep := range r.DependsOn {
			found.refs = append(found.refs, dep)
			if _, ok := t.Resources[dep]; !ok {
				return invalid("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", dep)
			}
		}
		if r.Condition != "" {
			found.conditions = append(found.conditions, r.Condition)
		}
		deps, err := t.resolve(found, "Resources", kinds)
		if err != nil {
			return err
		}
		r.dependencies = deps
		t.Resources[id] = r
	}
	for _, id := range sortedKeys(t.Outputs) {
		o := t.Outputs[id]
		var found references
		if err := found.collect(o.Value); err != nil {
			return err
		}
		if o.Condition != "" {
			found.conditions = append(found.conditions, o.Condition)
		}
		if _, err := t.resolve(found, "Outputs", kinds); err != nil {
			return err
		}
	}
	for _, id := range sortedKeys(t.Conditions) {
		var found references
		if err := found.collect(t.Conditions[id]); err != nil {
			return err
		}
		for _, ref := range found.refs {
			if _, ok := t.Parameters[ref]; !ok && !isPseudo(ref) {
				return invalid("Template format error: Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template", ref)
			}
		}
	}
	return t.findCycle()
}

// resolve checks references and returns the resources among them.
func (t *Template) resolve(found references, block string, kinds Kinds) ([]string, error) {
	var deps []string
	for _, ref := range found.refs {
		if _, ok := t.Resources[ref]; ok {
			deps = append(deps, ref)
		} else if _, ok := t.Parameters[ref]; !ok && !isPseudo(ref) {
			return nil, invalid("Template format error: Unresolved resource dependencies [%s] in the %s block of the template", ref, block)
		}
	}
	for _, a := range found.attributes {
		r, ok := t.Resources[a[0]]
		if !ok {
			return nil, invalid("Template error: instance of Fn::GetAtt references undefined resource %s", a[0])
		}
		kind, _ := kinds.Kind(r.Type)
		if !slices.Contains(kind.Attributes, a[1]) && !slices.Contains(kind.Attributes, "*") {
			return nil, invalid("Template error: resource %s does not support attribute type %s in Fn::GetAtt", a[0], a[1])
		}
		deps = append(deps, a[0])
	}
	for _, c := range found.conditions {
		if _, ok := t.Conditions[c]; !ok {
			return nil, invalid("Template format error: Unresolved condition dependency %s in the %s block of the template", c, block)
		}
	}
	for _, m := range found.mappings {
		if _, ok := t.Mappings[m]; !ok {
			return nil, invalid("Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", m)
		}
	}
	slices.Sort(deps)
	return slices.Compact(deps), nil
}

// findCycle reports resources that depend on each other.
func (t *Template) findCycle() error {
	waiting := map[string][]string{}
	for id, r := range t.Resources {
		waiting[id] = r.dependencies
	}
	for len(waiting) > 0 {
		var ready []string
		for id, deps := range waiting {
			if !slices.ContainsFunc(deps, func(d string) bool { _, ok := waiting[d]; return ok }) {
				ready = append(ready, id)
			}
		}
		if len(ready) == 0 {
			return invalid("Circular dependency between resources: [%s]", strings.Join(sortedKeys(waiting), ", "))
		}
		for _, id := range ready {
			delete(waiting, id)
		}
	}
	return nil
}

// references are the names that a value refers to.
type references struct {
	refs, conditions, mappings []string
	attributes                 [][2]string
}

var subVariable = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

func (f *references) collect(v any) error {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := f.collect(item); err != nil {
				return err
			}
		}
	case map[string]any:
		if name, arg, ok := function(v); ok {
			return f.collectFunction(name, arg)
		}
		for _, key := range sortedKeys(v) {
			if strings.HasPrefix(key, "Fn::") {
				return invalid("Template format error: %s object must stand alone and be a known function", key)
			}
			if err := f.collect(v[key]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *references) collectFunction(name string, arg any) error {
	switch name {
	case "Ref":
		s, ok := arg.(string)
		if !ok {
			return invalid("Template error: every Ref object must have a single String value.")
		}
		f.refs = append(f.refs, s)
		return nil
	case "Condition":
		f.conditions = append(f.conditions, text(arg))
		return nil
	case "Fn::GetAtt":
		id, attribute, err := getAtt(arg)
		f.attributes = append(f.attributes, [2]string{id, attribute})
		return err
	case "Fn::Sub":
		return f.collectSub(arg)
	case "Fn::If":
		list, ok := arg.([]any)
		if !ok || len(list) != 3 {
			return invalid("Template error: Fn::If requires a list argument with three values")
		}
		f.conditions = append(f.conditions, text(list[0]))
		return f.collect(list[1:])
	case "Fn::FindInMap":
		list, ok := arg.([]any)
		if !ok || len(list) < 3 {
			return invalid("Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value")
		}
		if s, ok := list[0].(string); ok {
			f.mappings = append(f.mappings, s)
		}
		return f.collect(list[1:])
	case "Fn::ImportValue", "Fn::Transform":
		return invalid("Template error: the fake does not support %s", name)
	}
	return f.collect(arg)
}

func (f *references) collectSub(arg any) error {
	pattern, vars, err := subParts(arg)
	if err != nil {
		return err
	}
	for _, m := range subVariable.FindAllStringSubmatch(pattern, -1) {
		name := strings.TrimSpace(m[1])
		if _, own := vars[name]; own {
			continue
		}
		if id, attribute, ok := strings.Cut(name, "."); ok {
			f.attributes = append(f.attributes, [2]string{id, attribute})
		} else {
			f.refs = append(f.refs, name)
		}
	}
	return f.collect(vars)
}

func getAtt(arg any) (id, attribute string, err error) {
	if s, ok := arg.(string); ok {
		id, attribute, _ = strings.Cut(s, ".")
	} else if list, ok := stringList(arg); ok && len(list) == 2 {
		id, attribute = list[0], list[1]
	}
	if id == "" || attribute == "" {
		return "", "", invalid("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
	}
	return id, attribute, nil
}

func subParts(arg any) (pattern string, vars map[string]any, err error) {
	if s, ok := arg.(string); ok {
		return s, nil, nil
	}
	if list, ok := arg.([]any); ok && len(list) == 2 {
		s, isString := list[0].(string)
		m, isMap := list[1].(map[string]any)
		if isString && isMap {
			return s, m, nil
		}
	}
	return "", nil, invalid("Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string")
}

// function recognizes a map that is a call of an intrinsic function.
func function(m map[string]any) (name string, arg any, ok bool) {
	if len(m) != 1 {
		return "", nil, false
	}
	for name, arg := range m {
		if !isFunction(name) || name == "Condition" && !isString(arg) {
			return "", nil, false
		}
		return name, arg, true
	}
	return "", nil, false
}

func isString(v any) bool { _, ok := v.(string); return ok }

func isPseudo(name string) bool {
	switch name {
	case "AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix":
		return true
	}
	return false
}

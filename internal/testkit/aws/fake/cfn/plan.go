package cfn

import (
	"slices"
)

// change is an update's effect on one resource.
type change struct {
	action      string // Add, Modify or Remove
	replacement string // True, False or Conditional; empty unless Modify
	resource    Resource
	physicalID  string
	policy      string // for the old resource: Delete, Retain, Snapshot
	scope       []string
	details     []detail
}

type detail struct {
	attribute, name        string
	recreation             string // Never, Always or Conditionally
	source, entity, static string
	before, after          any
}

// active lists the resources whose condition is true.
func (t *Template) active(sc *scope) ([]string, error) {
	var ids []string
	for _, id := range sortedKeys(t.Resources) {
		if c := t.Resources[id].Condition; c != "" {
			yes, err := sc.condition(c)
			if err != nil {
				return nil, err
			}
			if !yes {
				continue
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (t *Template) waitsFor(ids []string) map[string][]string {
	out := map[string][]string{}
	for _, id := range ids {
		out[id] = t.Resources[id].dependencies
	}
	return out
}

// inOrder sorts ids so that each comes after its dependencies.
func (t *Template) inOrder(ids []string) []string {
	var out []string
	for len(out) < len(ids) {
		for _, id := range ids {
			ready := !slices.Contains(out, id) && !slices.ContainsFunc(t.Resources[id].dependencies, func(d string) bool {
				return slices.Contains(ids, d) && !slices.Contains(out, d)
			})
			if ready {
				out = append(out, id)
			}
		}
	}
	return out
}

// plan compares a new template and its parameters with the stack, for a change
// set. The caller holds the lock.
func (s changeSets) plan(st *stack, in input) ([]change, error) {
	t, params := in.template, in.params
	unknown := map[string]bool{} // resources whose values only the update will know
	sc := s.newScope(st, t, params, func(id, attribute string) (any, bool) {
		r, ok := st.resources[id]
		if unknown[id] || !ok {
			return Unknown, true
		}
		return r.value(attribute), true
	})
	ids, err := t.active(sc)
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, id := range t.inOrder(ids) {
		def := t.Resources[id]
		props, err := sc.eval(def.Properties)
		if err != nil {
			return nil, err
		}
		old, ok := st.resources[id]
		if !ok || old.Type != def.Type {
			unknown[id] = true
			if ok {
				return nil, invalid("Update of resource type is not permitted. The new template modifies resource type of the following resources: [%s]", id)
			}
			changes = append(changes, change{action: "Add", resource: def})
			continue
		}
		c := s.compare(st, old, def, props.(map[string]any), in)
		if len(c.scope) == 0 {
			continue
		}
		unknown[id] = c.replacement != "False"
		changes = append(changes, c)
	}
	for _, id := range sortedKeys(st.resources) {
		if !slices.Contains(ids, id) {
			old := st.resources[id]
			changes = append(changes, change{action: "Remove", resource: old.Resource, physicalID: old.physicalID, policy: plainPolicy(old.DeletionPolicy)})
		}
	}
	return changes, nil
}

// compare finds the changes of a resource by a new definition, its properties, and the
// stack's new parameters and tags.
func (s changeSets) compare(st *stack, old *instance, def Resource, props map[string]any, in input) change {
	kind, _ := s.provider.Kind(def.Type)
	params := in.params
	c := change{action: "Modify", replacement: "False", resource: def, physicalID: old.physicalID}
	for _, name := range changedNames(old.props, props) {
		d := detail{attribute: "Properties", name: name, recreation: kind.recreation(name, old.props[name], props[name]), source: "DirectModification", static: "Static", before: old.props[name], after: props[name]}
		if mentionsUnknown(props[name]) {
			d.source, d.static = "ResourceReference", "Dynamic"
			if d.recreation == "Always" {
				d.recreation = "Conditionally" // the value may turn out the same
			}
		} else if p := changedParameter(def.Properties[name], st.params, params); p != "" {
			d.source, d.entity = "ParameterReference", p
		}
		c.details = append(c.details, d)
		switch {
		case d.recreation == "Always":
			c.replacement = "True"
		case d.recreation == "Conditionally" && c.replacement == "False":
			c.replacement = "Conditional"
		}
	}
	if len(c.details) > 0 {
		c.scope = append(c.scope, "Properties")
	}
	for _, attribute := range []struct {
		name string
		same bool
	}{
		{"Metadata", same(old.Metadata, def.Metadata)},
		{"Tags", !kind.Taggable || slices.Equal(old.tags, in.tags)},
		{"DeletionPolicy", old.DeletionPolicy == def.DeletionPolicy},
		{"UpdateReplacePolicy", old.UpdateReplacePolicy == def.UpdateReplacePolicy},
	} {
		if !attribute.same {
			c.scope = append(c.scope, attribute.name)
			c.details = append(c.details, detail{attribute: attribute.name, recreation: "Never", source: "DirectModification", static: "Static"})
		}
	}
	if c.replacement != "False" {
		c.policy = map[string]string{"Delete": "ReplaceAndDelete", "Retain": "ReplaceAndRetain", "Snapshot": "ReplaceAndSnapshot"}[def.UpdateReplacePolicy]
	}
	return c
}

func changedNames(old, now map[string]any) []string {
	names := map[string]bool{}
	for name, v := range now {
		if w, ok := old[name]; !ok || !same(v, w) {
			names[name] = true
		}
	}
	for name := range old {
		if _, ok := now[name]; !ok {
			names[name] = true
		}
	}
	return sortedKeys(names)
}

// changedParameter returns a parameter that a property refers to and whose
// value has changed.
func changedParameter(property any, old, now map[string]string) string {
	var found references
	if err := found.collect(property); err != nil {
		return "" // validated when parsed
	}
	for _, ref := range found.refs {
		if v, ok := now[ref]; ok && v != old[ref] {
			return ref
		}
	}
	return ""
}

func mentionsUnknown(v any) bool {
	switch v := v.(type) {
	case string:
		return v == Unknown || containsUnknown(v)
	case []any:
		return slices.ContainsFunc(v, mentionsUnknown)
	case map[string]any:
		for _, item := range v {
			if mentionsUnknown(item) {
				return true
			}
		}
	}
	return false
}

func plainPolicy(policy string) string {
	if policy == "RetainExceptOnCreate" {
		return "Retain"
	}
	return policy
}

package cfn

import "slices"

// Stack is the stack for which a template is evaluated.
type Stack struct {
	Name, ID                              string
	Account, Region, Partition, URLSuffix string
	// Zones is the result of Fn::GetAZs.
	Zones []string
	// Parameters are parameter values; others have the template's defaults.
	Parameters map[string]string
	// Value returns what only AWS knows: a resource's physical id (attribute
	// "") or an attribute, nil if the type doesn't have it. property evaluates
	// one of the resource's own properties; nil if it isn't set.
	Value func(r Resource, attribute string, property func(name string) any) any
}

// Evaluated is a template without functions.
type Evaluated struct {
	Parameters map[string]string
	// Secrets lists the parameters with NoEcho.
	Secrets []string
	// Resources have evaluated properties. Resources whose condition is false
	// are omitted.
	Resources map[string]Resource
	Outputs   map[string]any
	// Before lists, for each resource, those that it refers to or depends on.
	Before map[string][]string
	// Uses lists, for each resource, the parameters that it refers to.
	Uses map[string][]string
}

// Load parses a template without validation: unlike Parse it accepts resource
// types that the fake doesn't know.
func Load(body string) (*Template, error) {
	raw, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	return LoadTree(raw)
}

// LoadTree is Load for a parsed body with long function names.
func LoadTree(raw map[string]any) (*Template, error) {
	var err error
	t := &Template{Parameters: map[string]Parameter{}, Resources: map[string]Resource{}, Outputs: map[string]Output{}}
	if t.Mappings, err = mapSection(raw, "Mappings"); err != nil {
		return nil, err
	}
	if t.Conditions, err = mapSection(raw, "Conditions"); err != nil {
		return nil, err
	}
	for _, parse := range []func(map[string]any) error{t.parseParameters, t.parseResources, t.parseOutputs} {
		if err := parse(raw); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Evaluate fills in the template's parameters and evaluates its functions,
// without creating anything. Dynamic references are left unresolved.
func (t *Template) Evaluate(s Stack) (*Evaluated, error) {
	sc, err := t.standIn(s)
	if err != nil {
		return nil, err
	}
	return t.evaluate(sc)
}

// standIn returns the scope of a stack that doesn't exist.
func (t *Template) standIn(s Stack) (*scope, error) {
	var supplied []Supplied
	for _, key := range sortedKeys(s.Parameters) {
		supplied = append(supplied, Supplied{Key: key, Value: s.Parameters[key]})
	}
	params, err := t.values(supplied, nil)
	if err != nil {
		return nil, err
	}
	sc := &scope{template: t, params: params, zones: s.Zones, conditions: map[string]bool{}, dynamic: true, pseudo: map[string]any{
		"AWS::AccountId": s.Account, "AWS::Region": s.Region, "AWS::Partition": s.Partition, "AWS::URLSuffix": s.URLSuffix,
		"AWS::StackName": s.Name, "AWS::StackId": s.ID, "AWS::NotificationARNs": []any{},
	}}
	sc.resource = func(id, attribute string) (any, bool) {
		r, ok := t.Resources[id]
		if !ok {
			return nil, false
		}
		return s.Value(r, attribute, func(name string) any {
			v, err := sc.eval(r.Properties[name])
			if err != nil {
				return nil
			}
			return v
		}), true
	}
	return sc, nil
}

func (t *Template) evaluate(sc *scope) (*Evaluated, error) {
	out := &Evaluated{Parameters: sc.params, Resources: map[string]Resource{}, Outputs: map[string]any{}, Before: map[string][]string{}, Uses: map[string][]string{}}
	for _, id := range sortedKeys(t.Parameters) {
		if t.Parameters[id].NoEcho {
			out.Secrets = append(out.Secrets, id)
		}
	}
	ids, err := t.active(sc)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r := t.Resources[id]
		if err := t.note(out, r); err != nil {
			return nil, err
		}
		properties, err := sc.eval(r.Properties)
		if err != nil {
			return nil, invalid("%s: %v", id, err)
		}
		r.Properties, _ = properties.(map[string]any)
		out.Resources[id] = r
	}
	for _, id := range sortedKeys(t.Outputs) {
		if out.Outputs[id], err = sc.eval(t.Outputs[id].Value); err != nil {
			return nil, invalid("output %s: %v", id, err)
		}
	}
	return out, nil
}

// note records a resource's references; a DependsOn of a missing resource is an
// error, as is a missing reference during evaluation.
func (t *Template) note(out *Evaluated, r Resource) error {
	var found references
	if err := found.collect(r.Properties); err != nil {
		return err
	}
	for _, id := range r.DependsOn {
		if _, ok := t.Resources[id]; !ok {
			return invalid("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", id)
		}
	}
	names := append(found.refs, r.DependsOn...)
	for _, a := range found.attributes {
		names = append(names, a[0])
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if _, ok := t.Resources[name]; ok {
			out.Before[r.ID] = append(out.Before[r.ID], name)
		} else if _, ok := t.Parameters[name]; ok {
			out.Uses[r.ID] = append(out.Uses[r.ID], name)
		}
	}
	return nil
}

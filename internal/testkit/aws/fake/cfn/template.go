// Package cfn is a behavioral fake of CloudFormation: it parses and validates
// templates, evaluates them, and manages the lifecycle of stacks and their
// resources with events, rollback and deletion policies. A Provider implements
// the resources themselves.
package cfn

import (
	"regexp"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// Template is a parsed and validated template.
type Template struct {
	Body        string
	Description string
	Parameters  map[string]Parameter
	Mappings    map[string]any
	Conditions  map[string]any
	Resources   map[string]Resource
	Outputs     map[string]Output
}

// Resource is one entry of Resources, not evaluated yet.
type Resource struct {
	ID, Type, Condition  string
	Properties           map[string]any
	Metadata             any
	DependsOn            []string
	DeletionPolicy       string
	UpdateReplacePolicy  string
	dependencies         []string // every resource that must exist first, sorted
	hasDeletionPolicySet bool
}

// Output is one entry of Outputs, not evaluated yet.
type Output struct {
	Description, Condition string
	Value                  any
	ExportName             any
}

// invalid is the error of a request or template that CloudFormation rejects.
func invalid(format string, args ...any) error {
	return wire.Errorf("ValidationError", format, args...)
}

var alphanumeric = regexp.MustCompile(`^[a-zA-Z0-9]+$`)

// Parse parses a template and validates everything that needs no parameter
// value.
func Parse(body string, kinds Kinds) (*Template, error) {
	raw, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	for section := range raw {
		switch section {
		case "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings", "Conditions", "Resources", "Outputs", "Hooks":
		case "Transform":
			return nil, invalid("Template format error: the fake runs no transforms or macros")
		default:
			return nil, invalid("Invalid template property or properties [%s]", section)
		}
	}
	if v, ok := raw["AWSTemplateFormatVersion"]; ok && v != "2010-09-09" {
		return nil, invalid("Template format error: unsupported value for AWSTemplateFormatVersion.")
	}
	t := &Template{Body: body, Parameters: map[string]Parameter{}, Resources: map[string]Resource{}, Outputs: map[string]Output{}}
	t.Description, _ = raw["Description"].(string)
	if len(t.Description) > 1024 {
		return nil, invalid("Template format error: 'Description' length is greater than 1024.")
	}
	for _, section := range []struct {
		name string
		into *map[string]any
	}{{"Mappings", &t.Mappings}, {"Conditions", &t.Conditions}} {
		if *section.into, err = mapSection(raw, section.name); err != nil {
			return nil, err
		}
	}
	if err := t.parseParameters(raw); err != nil {
		return nil, err
	}
	if err := t.parseResources(raw); err != nil {
		return nil, err
	}
	if err := t.parseOutputs(raw); err != nil {
		return nil, err
	}
	return t, t.judge(kinds)
}

func mapSection(raw map[string]any, name string) (map[string]any, error) {
	v, ok := raw[name]
	if !ok {
		return map[string]any{}, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, invalid("Template format error: [/%s] section must be a map.", name)
	}
	return m, nil
}

func (t *Template) parseResources(raw map[string]any) error {
	all, err := mapSection(raw, "Resources")
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return invalid("Template format error: At least one Resources member must be defined.")
	}
	if len(all) > 500 {
		return invalid("Template format error: Number of resources, %d, is greater than maximum allowed, 500", len(all))
	}
	for _, id := range sortedKeys(all) {
		if !alphanumeric.MatchString(id) {
			return invalid("Template format error: Resource name %s is non alphanumeric.", id)
		}
		m, ok := all[id].(map[string]any)
		if !ok {
			return invalid("Template format error: [/Resources/%s] resource definition is malformed", id)
		}
		r, err := parseResource(id, m)
		if err != nil {
			return err
		}
		t.Resources[id] = r
	}
	return nil
}

func parseResource(id string, m map[string]any) (Resource, error) {
	r := Resource{ID: id, Properties: map[string]any{}, Metadata: m["Metadata"], DeletionPolicy: "Delete", UpdateReplacePolicy: "Delete"}
	for key, v := range m {
		var ok bool
		switch key {
		case "Type":
			r.Type, ok = v.(string)
		case "Condition":
			r.Condition, ok = v.(string)
		case "Properties":
			r.Properties, ok = v.(map[string]any)
		case "DeletionPolicy":
			r.DeletionPolicy, ok = v.(string)
			ok = ok && slices.Contains([]string{"Delete", "Retain", "Snapshot", "RetainExceptOnCreate"}, r.DeletionPolicy)
			r.hasDeletionPolicySet = true
		case "UpdateReplacePolicy":
			r.UpdateReplacePolicy, ok = v.(string)
			ok = ok && slices.Contains([]string{"Delete", "Retain", "Snapshot"}, r.UpdateReplacePolicy)
		case "DependsOn":
			r.DependsOn, ok = stringList(v)
		case "Metadata", "CreationPolicy", "UpdatePolicy":
			ok = true
		default:
			return r, invalid("Invalid template resource property '%s'", key)
		}
		if !ok {
			return r, invalid("Template format error: [/Resources/%s/%s] has an invalid value", id, key)
		}
	}
	if r.Type == "" {
		return r, invalid("Template format error: [/Resources/%s] Every Resources object must contain a Type member.", id)
	}
	return r, nil
}

func (t *Template) parseOutputs(raw map[string]any) error {
	all, err := mapSection(raw, "Outputs")
	if err != nil {
		return err
	}
	for id, v := range all {
		m, ok := v.(map[string]any)
		if !ok || m["Value"] == nil {
			return invalid("Template format error: Every Outputs member must contain a Value object")
		}
		if !alphanumeric.MatchString(id) {
			return invalid("Template format error: Output name %s is non alphanumeric.", id)
		}
		o := Output{Value: m["Value"]}
		o.Description, _ = m["Description"].(string)
		o.Condition, _ = m["Condition"].(string)
		if export, ok := m["Export"].(map[string]any); ok {
			o.ExportName = export["Name"]
		}
		t.Outputs[id] = o
	}
	return nil
}

func stringList(v any) ([]string, bool) {
	if s, ok := v.(string); ok {
		return []string{s}, true
	}
	list, ok := v.([]any)
	var out []string
	for _, item := range list {
		s, isString := item.(string)
		ok = ok && isString
		out = append(out, s)
	}
	return out, ok
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// IsCustom reports whether a resource type is handled by a function of the
// stack.
func IsCustom(resourceType string) bool {
	return strings.HasPrefix(resourceType, "Custom::") || resourceType == "AWS::CloudFormation::CustomResource"
}

// Package cfnregistry has the schemas of CloudFormation's registry: what each resource
// type's handlers need, and what a change of a property does. The stand-in for AWS and
// the tests of the deployer's policy read it; the program has a table that Table
// generates (internal/cfnregistry).
package cfnregistry

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Source and Date are the origin of registry.json: the resource provider schemas of
// CloudFormation's public registry on that day, reduced to permissions, tagging,
// timeouts and the names of properties.
const (
	Source = "CloudFormation's public registry, resource provider schemas"
	Date   = "2026-08-07"
)

//go:embed registry.json
var registry []byte

// Type is the schema of a resource type.
type Type struct {
	// Handlers are the IAM actions of each handler: create, read, update, delete.
	Handlers map[string][]string `json:"handlers"`
	// TimeoutInMinutes is the time of a handler; handlers without one have two hours.
	TimeoutInMinutes map[string]int `json:"timeoutInMinutes"`
	// Properties are the names of the properties at the top level.
	Properties []string `json:"properties"`
	Required   []string `json:"required"`
	// CreateOnly, Conditional, ReadOnly and WriteOnly are JSON pointers such as
	// /properties/KmsKeyId.
	CreateOnly  []string `json:"createOnlyProperties"`
	Conditional []string `json:"conditionalCreateOnlyProperties"`
	ReadOnly    []string `json:"readOnlyProperties"`
	WriteOnly   []string `json:"writeOnlyProperties"`
	Tagging     Tagging  `json:"tagging"`
}

// Tagging reports whether the type takes tags, in its property Tags, and the IAM actions
// that its handlers need for them.
type Tagging struct {
	Taggable    bool     `json:"taggable"`
	Permissions []string `json:"permissions"`
}

// Permissions returns the IAM actions of all handlers and of tagging, sorted. The service
// of an action is in small letters, as in IAM's own lists.
func (t Type) Permissions() []string {
	all := map[string]bool{}
	for _, list := range append(slices.Collect(maps.Values(t.Handlers)), t.Tagging.Permissions) {
		for _, action := range list {
			service, name, _ := strings.Cut(action, ":")
			all[strings.ToLower(service)+":"+name] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Types returns all types by name.
func Types() (map[string]Type, error) {
	var types map[string]Type
	if err := json.Unmarshal(registry, &types); err != nil {
		return nil, fmt.Errorf("read the registry's schemas: %w", err)
	}
	return types, nil
}

// Names returns the properties at the top level that pointers name. A pointer below a
// property, such as /properties/CodeDeploy/Role, is left out: a change of its siblings
// has another effect.
func Names(pointers []string) []string {
	var out []string
	for _, p := range pointers {
		if name, ok := strings.CutPrefix(p, "/properties/"); ok && !strings.Contains(name, "/") {
			out = append(out, name)
		}
	}
	return out
}

package fake

import (
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/cfnregistry"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// handlerTimeout is the time of a handler whose schema sets none.
const handlerTimeout = 2 * time.Hour

// schemas are the types of CloudFormation's registry.
type schemas map[string]cfnregistry.Type

// declare adds to a kind what the registry declares for its type: properties, their
// effect on a change, timeouts, and whether the type takes tags.
func (s schemas) declare(k cfn.Kind, resourceType string) cfn.Kind {
	schema, ok := s[resourceType]
	if !ok {
		return k
	}
	k.Properties = schema.Properties
	k.Required = union(k.Required, schema.Required)
	k.CreateOnly, k.Conditional = paths(schema.CreateOnly), paths(schema.Conditional)
	k.Taggable = schema.Tagging.Taggable
	k.Timeouts = map[string]time.Duration{}
	for _, handler := range []string{"create", "update", "delete"} {
		k.Timeouts[handler] = handlerTimeout
		if minutes, ok := schema.TimeoutInMinutes[handler]; ok {
			k.Timeouts[handler] = time.Duration(minutes) * time.Minute
		}
	}
	return k
}

// paths returns the properties of JSON pointers, with dots below the top level.
func paths(pointers []string) []string {
	var out []string
	for _, p := range pointers {
		out = append(out, strings.ReplaceAll(strings.TrimPrefix(p, "/properties/"), "/", "."))
	}
	return out
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

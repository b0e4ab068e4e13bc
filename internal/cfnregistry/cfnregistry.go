// Package cfnregistry has what CloudFormation's registry declares about resource types.
package cfnregistry

import (
	"slices"
	"strings"
)

//go:generate go run ../testkit/aws/cfnregistry/generate table.go

// Permissions returns the IAM actions that CloudFormation's handlers of a type call with
// the deployer's permissions, sorted. ok is false for a type without a schema, or whose
// schema lists no handlers.
func Permissions(resourceType string) (actions []string, ok bool) {
	list, ok := permissions[resourceType]
	return strings.Fields(list), ok
}

// Replacement returns the effect of a changed property on its resource, in the words of
// a change set: Always, Conditionally or Never. A property of a type without a schema is
// Conditionally.
func Replacement(resourceType, property string) string {
	if _, known := permissions[resourceType]; !known {
		return "Conditionally"
	}
	list := strings.Fields(createOnly[resourceType])
	switch {
	case slices.Contains(list, property):
		return "Always"
	case slices.Contains(list, "~"+property):
		return "Conditionally"
	}
	return "Never"
}

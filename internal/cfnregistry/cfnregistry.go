// Package cfnregistry has what CloudFormation's registry declares about resource types.
package cfnregistry

import "strings"

//go:generate go run ../testkit/aws/cfnregistry/generate table.go

// Permissions returns the IAM actions that CloudFormation's handlers of a type call with
// the deployer's permissions, sorted. ok is false for a type without a schema, or whose
// schema lists no handlers.
func Permissions(resourceType string) (actions []string, ok bool) {
	list, ok := permissions[resourceType]
	return strings.Fields(list), ok
}

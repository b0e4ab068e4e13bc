// Package iampolicy writes the policy documents of the identity that deploys. The
// permissions of CloudFormation's handlers come from its registry, those of this
// program's own calls from a list.
package iampolicy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/cfnregistry"
)

// Scope limits the permissions of a deploy.
type Scope struct {
	Partition, Account, Region string
	Stack, ArtifactBucket      string
	// Secret is the name of the parameter that the deployer creates before the stack, in
	// Systems Manager's Parameter Store; empty means none.
	Secret string
}

// Documents returns the policy documents with the permissions that deploying a template
// with these resources needs: for the calls of this program, and for CloudFormation's
// with the same credentials. Resources are types by logical id. IAM's limits are 6,144
// characters per managed policy, without white space, and 10 policies per identity.
func Documents(s Scope, resources map[string]string) ([][]byte, error) {
	actions := map[string]bool{}
	for _, own := range []map[string][]string{callerActions, HealthActions()} {
		for service, names := range own {
			for _, name := range names {
				actions[service+":"+name] = true
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(resources)) {
		list, err := needed(resources[id])
		if err != nil {
			return nil, fmt.Errorf("list permissions for %s: %w", id, err)
		}
		for _, a := range list {
			actions[a] = true
		}
	}
	statements, err := s.statements(actions, resources)
	if err != nil {
		return nil, fmt.Errorf("list permissions: %w", err)
	}
	return pack(statements)
}

// needed returns the actions that deploying a type needs: those of its handlers except
// unneeded ones, and additional ones.
func needed(resourceType string) ([]string, error) {
	if strings.HasPrefix(resourceType, "Custom::") {
		resourceType = customResource
	}
	handlers, listed := cfnregistry.Permissions(resourceType)
	more, added := additional[resourceType]
	if !listed && !added {
		return nil, fmt.Errorf("type %s is unknown: CloudFormation's registry lists no permissions for it", resourceType)
	}
	out := slices.DeleteFunc(slices.Clone(handlers), func(action string) bool { return Unneeded(resourceType, action) })
	return append(out, more...), nil
}

// Unneeded reports whether a deploy doesn't need an action that the handlers of a type
// list.
func Unneeded(resourceType, action string) bool {
	return slices.ContainsFunc(unneeded, func(u exemption) bool { return u.covers(resourceType, action) })
}

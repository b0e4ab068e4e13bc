package cfn

import (
	"context"
	"fmt"
	"time"
)

// Reason is an error with AWS's own text, which becomes an event's
// ResourceStatusReason.
type Reason string

func (r Reason) Error() string { return string(r) }

// Reasonf formats a Reason.
func Reasonf(format string, args ...any) error { return Reason(fmt.Sprintf(format, args...)) }

// Kind declares a resource type's schema in CloudFormation.
type Kind struct {
	// Attributes are the names that Fn::GetAtt accepts; "*" accepts any.
	Attributes []string
	// Required properties; a resource without one of these fails.
	Required []string
	// CreateOnly properties replace the resource when they change. A name with
	// dots is a property below the top level.
	CreateOnly []string
	// Conditional properties may replace the resource: a change set has
	// Conditional, and the fake changes them in place.
	Conditional []string
	// Properties are the properties that the type has; nil accepts any.
	Properties []string
	// Timeouts are the times of the handlers create, update and delete; none
	// means no limit.
	Timeouts map[string]time.Duration
	// Taggable reports whether the stack's tags reach the resource.
	Taggable bool
	// CustomNames are properties that require CAPABILITY_NAMED_IAM.
	CustomNames []string
	// IAM reports whether the type requires at least CAPABILITY_IAM.
	IAM bool
	// Snapshot reports whether DeletionPolicy Snapshot is allowed;
	// DefaultPolicy applies if the template has none, Delete if empty.
	Snapshot      bool
	DefaultPolicy string
}

// Kinds looks up the declaration of a resource type.
type Kinds interface {
	Kind(resourceType string) (Kind, bool)
}

// Request is one step in a resource's lifecycle.
type Request struct {
	StackName, StackID string
	LogicalID, Type    string
	// PhysicalID is empty for a resource to create.
	PhysicalID string
	// Properties are evaluated; OldProperties are those before an update.
	Properties, OldProperties map[string]any
	// Tags are the stack's tags.
	Tags []Tag
	// Token is the operation's client request token.
	Token string
	// Initiated reports the physical id to the engine as soon as it is known.
	Initiated func(physicalID string)
	// SnapshotID is the name of a snapshot to take before deletion; empty for
	// none.
	SnapshotID string
}

// Result is the state of a resource after a step.
type Result struct {
	PhysicalID string
	Attributes map[string]any
}

// Provider creates, changes and deletes the resources themselves. An error's
// text becomes the event's ResourceStatusReason.
type Provider interface {
	Kinds
	Create(ctx context.Context, r Request) (Result, error)
	// Update changes in place; a different PhysicalID in the result makes the
	// engine delete the old resource in the cleanup phase.
	Update(ctx context.Context, r Request) (Result, error)
	// Delete must succeed if the resource no longer exists.
	Delete(ctx context.Context, r Request) error
}

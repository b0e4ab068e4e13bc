package cfn

import (
	"context"
	"fmt"
)

// Reason is an error in AWS's own words, which become an event's
// ResourceStatusReason.
type Reason string

func (r Reason) Error() string { return string(r) }

// Reasonf makes a Reason.
func Reasonf(format string, args ...any) error { return Reason(fmt.Sprintf(format, args...)) }

// Kind declares what CloudFormation knows of a resource type.
type Kind struct {
	// Attributes are the names that Fn::GetAtt takes; "*" takes any.
	Attributes []string
	// Required properties; one that is missing fails the resource.
	Required []string
	// CreateOnly properties replace the resource when they change.
	CreateOnly []string
	// Conditional properties may replace it: a change set says Conditional,
	// and the fake changes them in place.
	Conditional []string
	// CustomNames are properties whose presence asks for CAPABILITY_NAMED_IAM.
	CustomNames []string
	// IAM says that the type asks for CAPABILITY_IAM at least.
	IAM bool
	// Snapshot says that DeletionPolicy Snapshot is allowed; where the
	// template says nothing, DefaultPolicy holds, Delete when empty.
	Snapshot      bool
	DefaultPolicy string
}

// Kinds finds a resource type's declaration.
type Kinds interface {
	Kind(resourceType string) (Kind, bool)
}

// Request is one step in a resource's life.
type Request struct {
	StackName, StackID string
	LogicalID, Type    string
	// PhysicalID is empty for a resource to create.
	PhysicalID string
	// Properties are evaluated; OldProperties are those before an update.
	Properties, OldProperties map[string]any
	// Token is the operation's client request token.
	Token string
	// Initiated tells the engine the physical id as soon as it is known.
	Initiated func(physicalID string)
	// SnapshotID is the name to give a snapshot taken before a deletion;
	// empty takes none.
	SnapshotID string
}

// Result is what a resource became.
type Result struct {
	PhysicalID string
	Attributes map[string]any
}

// Provider makes, changes and deletes the resources themselves. An error's
// text becomes the event's ResourceStatusReason.
type Provider interface {
	Kinds
	Create(ctx context.Context, r Request) (Result, error)
	// Update changes in place; another PhysicalID in its result makes the
	// engine delete the old one in the cleanup phase.
	Update(ctx context.Context, r Request) (Result, error)
	// Delete of what is gone already is no error.
	Delete(ctx context.Context, r Request) error
}

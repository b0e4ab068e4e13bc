package stack

import (
	"strings"
	"time"
)

// Kind is the kind of an Event.
type Kind string

// Kinds of events.
const (
	// KindStep is a step of this program, such as an upload.
	KindStep Kind = "step"
	// KindResource is a resource of the stack that changed its status.
	KindResource Kind = "resource"
	// KindWaiting is a wait for something that is not a resource. It lasts until
	// the next event.
	KindWaiting Kind = "waiting"
)

// Event is a progress event of an operation.
type Event struct {
	Kind Kind      `json:"kind"`
	Time time.Time `json:"time,omitzero"`
	// Text describes a step or a wait.
	Text string `json:"text,omitempty"`
	// LogicalID, Type, PhysicalID, Status and Reason describe a resource.
	LogicalID  string `json:"logicalId,omitempty"`
	Type       string `json:"type,omitempty"`
	PhysicalID string `json:"physicalId,omitempty"`
	Status     string `json:"status,omitempty"`
	Reason     string `json:"reason,omitempty"`
	// Log has the last lines of the function behind a custom resource that failed.
	Log []string `json:"log,omitempty"`

	id    string
	token string
}

// Failed reports whether the resource's operation failed.
func (e Event) Failed() bool { return strings.HasSuffix(e.Status, "_FAILED") }

// Consequence reports whether it failed only because another resource did.
func (e Event) Consequence() bool {
	return e.Reason == "" || strings.HasPrefix(e.Reason, "Resource creation cancelled") || strings.HasPrefix(e.Reason, "Resource update cancelled")
}

// Leftover is a resource that remains after its stack was deleted.
type Leftover struct {
	LogicalID  string `json:"logicalId"`
	Type       string `json:"type"`
	PhysicalID string `json:"physicalId"`
	// Why is the reason why it still exists.
	Why string `json:"why"`
	// Costs reports whether it holds data or costs money, so that an operator must know
	// of it.
	Costs bool `json:"costs"`
}

// Unknown returns a leftover that could not be read or deleted once the stack was gone.
// It fails no operation, but an operator must know of it.
func Unknown(logicalID, kind, physicalID string, err error) Leftover {
	return Leftover{LogicalID: logicalID, Type: kind, PhysicalID: physicalID, Costs: true, Why: "its remains are unknown: " + err.Error()}
}

package stack

import (
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/failure"
)

// BusyError is a stack on which another operation is running.
type BusyError struct {
	Stack  string
	Status Status
	Since  time.Time
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("stack %s: another operation is running: %s since %s (%s)", e.Stack, e.Status, clockTime(e.Since), e.Status.Meaning())
}

// Hint is the next step for a user.
func (e *BusyError) Hint() string {
	return "`streamctl status --follow` shows it to its end; then run the same command again (deploy --wait waits for it)"
}

// Class is the class of the error.
func (*BusyError) Class() failure.Class { return failure.Busy }

// clockTime is a time of today for a person.
func clockTime(t time.Time) string { return t.Local().Format("15:04:05 MST") }

// CanceledError is an operation that was canceled on purpose.
type CanceledError struct {
	Op, Stack string
	// Status is the stack's after that.
	Status Status
	// Left lists the resources that a canceled create left on purpose.
	Left []Leftover
}

func (e *CanceledError) Error() string {
	text := fmt.Sprintf("canceled the %s of stack %s; its status is %s: %s", e.Op, e.Stack, e.Status, e.Status.Meaning())
	for _, l := range e.Left {
		text += fmt.Sprintf("\n  left: %s %s: %s", l.Type, l.PhysicalID, l.Why)
	}
	return text
}

// Hint is the next step for a user.
func (e *CanceledError) Hint() string { return "the same command starts over" }

// Class is the class of the error.
func (*CanceledError) Class() failure.Class { return failure.Declined }

// LeftRunningError is an operation that continues in AWS without this program:
// the user stopped following it, or AWS became unreachable.
type LeftRunningError struct {
	Op, Stack string
	Status    Status
	// Err is why the program stopped following the operation.
	Err error
	// Unreachable reports that AWS is unreachable.
	Unreachable bool
}

func (e *LeftRunningError) Error() string {
	text := fmt.Sprintf("stopped following: the %s of stack %s continues in AWS (%s)", e.Op, e.Stack, e.Status)
	if e.Unreachable {
		text += fmt.Sprintf("; AWS is unreachable: %v", e.Err)
	}
	return text
}

// Unwrap returns why the program stopped following the operation.
func (e *LeftRunningError) Unwrap() error { return e.Err }

// Hint is how to follow the operation again.
func (e *LeftRunningError) Hint() string {
	return "`streamctl status --follow --stack-name " + e.Stack + "` follows it from anywhere; so does the same command again"
}

// Class is the class of the error.
func (e *LeftRunningError) Class() failure.Class {
	if e.Unreachable {
		return failure.Network
	}
	return failure.Declined
}

// StateError is a stack whose status does not allow the operation.
type StateError struct {
	Op, Stack string
	Status    Status
	// Detail is more than the meaning of the status; empty for most.
	Detail string
	// Holds are the resources that the stack still owns.
	Holds []Resource
	// Advice is the next step for a user.
	Advice string
}

func (e *StateError) Error() string {
	text := fmt.Sprintf("%s stack %s: its status is %s: %s", e.Op, e.Stack, e.Status, e.Status.Meaning())
	if e.Detail != "" {
		text += "; " + e.Detail
	}
	for _, h := range e.Holds {
		text += fmt.Sprintf("\n  remaining: %s %s (%s, %s)", h.Type, h.PhysicalID, h.LogicalID, h.Status)
	}
	return text
}

// Hint is the next step for a user.
func (e *StateError) Hint() string { return e.Advice }

// Class is the class of the error.
func (*StateError) Class() failure.Class { return failure.Stack }

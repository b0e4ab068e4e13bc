package deploy

import "fmt"

// BusyError says that another operation runs on the stack.
type BusyError struct {
	Stack, Status, Since string
	// Meaning says the status in words.
	Meaning string
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("stack %s: another operation is running: %s since %s (%s)", e.Stack, e.Status, e.Since, e.Meaning)
}

// Hint says what to do.
func (e *BusyError) Hint() string {
	return "`streamctl status --follow` shows it to its end; then run the same command again (deploy waits by itself with --wait)"
}

// CancelledError says that an operation was cancelled on purpose, and how the
// stack is now.
type CancelledError struct {
	Op, Stack string
	Status    Status
	// Left is what a cancelled create left on purpose.
	Left []Leftover
}

func (e *CancelledError) Error() string {
	text := fmt.Sprintf("cancelled the %s of stack %s; it is %s: %s", e.Op, e.Stack, e.Status, e.Status.Meaning())
	for _, l := range e.Left {
		text += fmt.Sprintf("\n  left: %s %s: %s", l.Type, l.PhysicalID, l.Why)
	}
	return text
}

// Hint says what to do.
func (e *CancelledError) Hint() string { return "the same command again begins anew" }

// LeftRunningError says that an operation goes on in AWS without this program.
type LeftRunningError struct {
	Op, Stack string
	Status    Status
	err       error
}

func (e *LeftRunningError) Error() string {
	return fmt.Sprintf("stopped following: the %s of stack %s goes on in AWS (%s)", e.Op, e.Stack, e.Status)
}

// Unwrap is the interrupt.
func (e *LeftRunningError) Unwrap() error { return e.err }

// Hint says how to follow it again.
func (e *LeftRunningError) Hint() string {
	return "`streamctl status --follow --stack-name " + e.Stack + "` follows it from anywhere; so does the same command again"
}

// StateError says that the stack's status allows no such operation.
type StateError struct {
	Op, Stack, Status string
	// Meaning says the status in words, Holds what the stack still owns.
	Meaning string
	Holds   []Resource
	hint    string
}

func (e *StateError) Error() string {
	text := fmt.Sprintf("%s stack %s: its status is %s", e.Op, e.Stack, e.Status)
	if e.Meaning != "" {
		text += ": " + e.Meaning
	}
	for _, h := range e.Holds {
		text += fmt.Sprintf("\n  it still holds %s %s (%s, %s)", h.Type, h.PhysicalID, h.LogicalID, h.Status)
	}
	return text
}

// Hint says what to do.
func (e *StateError) Hint() string { return e.hint }

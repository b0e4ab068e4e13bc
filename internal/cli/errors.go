package cli

import (
	"context"
	"errors"

	"github.com/streamctl/streamctl/internal/failure"
)

// usageError is an invalid command line.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// Hint implements the command line's hints.
func (e *usageError) Hint() string { return e.hint }

// Class implements failure.Classified.
func (e *usageError) Class() failure.Class { return failure.Usage }

// invalidError reports a template that must not be used.
type invalidError struct{ err error }

func (e *invalidError) Error() string { return e.err.Error() }
func (e *invalidError) Unwrap() error { return e.err }

// Class implements failure.Classified.
func (e *invalidError) Class() failure.Class { return failure.Invalid }

// canceledError reports the interrupt of a verb, with the step that was interrupted.
type canceledError struct {
	verb string
	err  error
}

func (e *canceledError) Error() string {
	if errors.Is(e.err, context.Canceled) && e.err.Error() == context.Canceled.Error() {
		return "interrupted"
	}
	return "interrupted: " + e.err.Error()
}

func (e *canceledError) Unwrap() error { return e.err }

// Class implements failure.Classified.
func (e *canceledError) Class() failure.Class { return failure.Declined }

// Hint describes the state after the interrupt and how to continue.
func (e *canceledError) Hint() string {
	switch e.verb {
	case "deploy":
		return "run the same command again to continue; `streamctl status` shows the state of the stack"
	case "destroy":
		return "run the same command again to continue the deletion; `streamctl status` shows the state of the stack"
	case "package":
		return "uploaded code stays and is not uploaded again: run the same command again"
	case "status":
		return "the operation in AWS continues: `streamctl status --follow` shows it"
	case "send":
		return "no event was sent: run the same command again"
	case "query":
		return "the query was canceled; the data is unchanged"
	case "local":
		return "everything that was started has been stopped: run the same command again"
	case "dashboard":
		return "the dashboard was not started; the stack is unchanged"
	case "init":
		return "run `streamctl init` again; it never overwrites a file"
	case "validate", "render", "diff", "outputs", "doctor", "logs", "tail", "cost":
		return "`streamctl " + e.verb + "` changes nothing: run it again at any time"
	}
	return "run the same command again"
}

// classError is an error with a fixed text and a class.
type classError struct {
	text  string
	class failure.Class
}

func (e *classError) Error() string { return e.text }

// Class implements failure.Classified.
func (e *classError) Class() failure.Class { return e.class }

var (
	// errDeclined reports that a question was answered with no, or that there is no
	// terminal to ask on.
	errDeclined error = &classError{"declined; nothing was changed", failure.Declined}

	// errLeftBehind ends a successful destroy that left resources on purpose. They have
	// been printed.
	errLeftBehind error = &classError{"finished, but something that holds data or costs money was left behind", failure.LeftBehind}
)

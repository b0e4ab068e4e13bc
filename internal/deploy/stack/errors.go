package stack

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/pattern"
)

// Code is the error code of a response from AWS, empty for any other error.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// deniedCodes are the errors of a call that a policy denies.
var deniedCodes = []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "AuthorizationErrorException", "NotAuthorized"}

// IsDenied reports whether a policy denies a call.
func IsDenied(err error) bool { return slices.Contains(deniedCodes, Code(err)) }

// message is the message of a response from AWS.
func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}

// The messages without a code of their own. Nothing else compares texts.
var (
	stackMissing = pattern.New(`^Stack (with id )?\[?.+\]? does not exist$`)
	noChanges    = pattern.New(`didn't contain changes|No updates are to be performed`)
	tooLate      = pattern.New(`cannot be called from current stack status`)
	networkInUse = pattern.New(`dependent object|has dependencies|DependencyViolation|currently in use|network interface`)
	resourceBusy = pattern.New(`InvalidDBInstanceState|InvalidReplicationGroupState|InvalidCacheClusterState|InvalidUserGroupState|ResourceInUseException|ResourceConflictException|OperationAborted|not in (the )?available state|operation is in progress`)
	bucketFull   = pattern.New(`BucketNotEmpty|bucket you tried to delete is not empty`)
)

func isStackMissing(err error) bool {
	return Code(err) == "ValidationError" && stackMissing.MatchString(message(err))
}

// ErrNotFound is a stack that does not exist.
var ErrNotFound = errors.New("stack does not exist")

// NotFoundError is ErrNotFound with its place.
type NotFoundError struct {
	Stack  string
	Caller Caller
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%v: %s in account %s, %s", ErrNotFound, e.Stack, e.Caller.Account, e.Caller.Region)
}

// Is makes the error an ErrNotFound.
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// FailedError is an operation that CloudFormation ended without success.
type FailedError struct {
	Op, Stack, Status string
	// Causes are the failures that came first, the earliest first.
	Causes []Event
	// Undone reports that the remains of a failed create were deleted. Left lists what
	// stays.
	Undone bool
	Left   []Leftover
	// Remains lists what a failed create left, with the reasons to keep it.
	Remains []string
}

func (e *FailedError) Error() string {
	text := fmt.Sprintf("%s stack %s: ended as %s", e.Op, e.Stack, e.Status)
	if len(e.Causes) > 0 {
		text += "\nfailed resources, the first cause first:"
	}
	for _, c := range e.Causes {
		text += fmt.Sprintf("\n  %s (%s)", c.LogicalID, c.Type)
		if !c.Time.IsZero() {
			text += " at " + c.Time.Local().Format("15:04:05")
		}
		text += fmt.Sprintf(": %s: %s", c.Status, c.Reason)
		if do := HintFor(c.Reason); do != "" {
			text += "\n    → " + do
		}
		for _, line := range c.Log {
			text += "\n    | " + line
		}
	}
	if e.Undone {
		text += "\nthe remains of the create were deleted"
	}
	for _, l := range e.Left {
		text += fmt.Sprintf("\n  left: %s %s: %s", l.Type, l.PhysicalID, l.Why)
	}
	if len(e.Remains) > 0 {
		text += "\n" + strings.Join(e.Remains, "\n")
	}
	return text
}

// Hint is the next step for a user.
func (e *FailedError) Hint() string {
	switch {
	case e.Status == string(StatusRollbackComplete) || e.Undone:
		return "fix the cause, then run the same command again: it deletes the remains and starts over"
	case e.Status == string(StatusRollbackFailed) || e.Status == string(StatusCreateFailed) || e.Status == string(StatusUpdateRbFailed):
		return Status(e.Status).Next()
	case strings.HasPrefix(e.Status, "DELETE"):
		return "fix the cause, then run the same `streamctl destroy` again, with the same flags"
	default:
		return "the stack is as before; fix the cause, then run the same command again"
	}
}

// Class is the class of the error.
func (*FailedError) Class() failure.Class { return failure.Stack }

// ReplaceError is an update that would replace or delete stateful resources.
type ReplaceError struct {
	Stack   string
	Changes []Change
}

func (e *ReplaceError) Error() string {
	text := fmt.Sprintf("update stack %s: it would replace or delete stateful resources; nothing was changed", e.Stack)
	for _, c := range e.Changes {
		text += "\n  " + c.String()
	}
	return text
}

// Hint is the next step for a user.
func (e *ReplaceError) Hint() string {
	ids := make([]string, len(e.Changes))
	for i, c := range e.Changes {
		ids[i] = c.LogicalID
	}
	slices.Sort(ids)
	return "restore the value, or, if that data may be lost, add --allow-replace " + strings.Join(ids, " --allow-replace ")
}

// Class is the class of the error.
func (*ReplaceError) Class() failure.Class { return failure.Declined }

package deploy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
)

// code is the error code of an AWS answer, "" for anything else.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// message is the message of an AWS answer.
func message(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorMessage()
	}
	return ""
}

// The messages that have no code of their own. Nothing else in this package
// compares texts.
var (
	stackMissing = regexp.MustCompile(`^Stack (with id )?\[?.+\]? does not exist$`)
	noChanges    = regexp.MustCompile(`didn't contain changes|No updates are to be performed`)
	tooLate      = regexp.MustCompile(`cannot be called from current stack status`)
	networkInUse = regexp.MustCompile(`dependent object|has dependencies|DependencyViolation|currently in use|network interface`)
	bucketFull   = regexp.MustCompile(`BucketNotEmpty|bucket you tried to delete is not empty`)
)

func isStackMissing(err error) bool {
	return code(err) == "ValidationError" && stackMissing.MatchString(message(err))
}

// ErrNotFound says that the stack isn't there.
var ErrNotFound = errors.New("stack does not exist")

// FailedError says that CloudFormation ended an operation without success.
type FailedError struct {
	Op, Stack, Status string
	// Causes are the failures that came first, the earliest at the front.
	Causes []Event
}

func (e *FailedError) Error() string {
	text := fmt.Sprintf("%s stack %s: ended as %s", e.Op, e.Stack, e.Status)
	if len(e.Causes) == 0 {
		return text
	}
	text += "\nwhy, the first cause first:"
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
	return text
}

// Hint says what to do.
func (e *FailedError) Hint() string {
	switch {
	case e.Status == "ROLLBACK_COMPLETE":
		return "put right what failed, then run the same command again: it removes what is left and starts over"
	case e.Status == "ROLLBACK_FAILED" || e.Status == string(StatusCreateFailed):
		return Status(e.Status).Next()
	case e.Status == string(StatusUpdateRbFailed):
		return Status(e.Status).Next()
	case strings.HasPrefix(e.Status, "DELETE"):
		return "put right what failed, then run the same `streamctl destroy` again, with the flags it had"
	default:
		return "the stack is as it was before; put right what failed, then run the same command again"
	}
}

// ProtectedError says what keeps a stack from being destroyed.
type ProtectedError struct {
	Stack string
	// By names each protection.
	By []string
}

func (e *ProtectedError) Error() string {
	return fmt.Sprintf("destroy stack %s: it is protected (%s); nothing was changed", e.Stack, strings.Join(e.By, ", "))
}

// Hint says what to do.
func (e *ProtectedError) Hint() string {
	return "if everything in it may go, run `streamctl destroy --lift-protection`"
}

// LockedError says that a destroy would end at objects that S3 lets nobody delete.
type LockedError struct {
	Stack   string
	Buckets []string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("destroy stack %s: what is in bucket %s is locked (ObjectLockDays) and can't be deleted before its time; nothing was changed", e.Stack, strings.Join(e.Buckets, ", "))
}

// Hint says what to do.
func (e *LockedError) Hint() string {
	return "`streamctl destroy --retain-archive` keeps the bucket and its key and deletes everything else"
}

// ReplaceError names what an update would replace or delete although it holds
// data.
type ReplaceError struct {
	Stack   string
	Changes []Change
}

func (e *ReplaceError) Error() string {
	text := fmt.Sprintf("update stack %s: it would replace or delete what holds data; nothing was changed", e.Stack)
	for _, c := range e.Changes {
		text += "\n  " + c.String()
	}
	return text
}

// Hint says what to do.
func (e *ReplaceError) Hint() string {
	ids := make([]string, len(e.Changes))
	for i, c := range e.Changes {
		ids[i] = c.LogicalID
	}
	slices.Sort(ids)
	return "put the value back, or, if that data may go, add --allow-replace " + strings.Join(ids, " --allow-replace ")
}

// AccountError says that the credentials are for another account than the one
// that variables.yaml names.
type AccountError struct{ Want, Got string }

func (e *AccountError) Error() string {
	return fmt.Sprintf("the credentials are for account %s, but Account in variables.yaml is %s", e.Got, e.Want)
}

// Hint says what to do.
func (e *AccountError) Hint() string {
	return "choose the profile of that account with --profile, or change Account"
}

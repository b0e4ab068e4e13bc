package deploy

import (
	"fmt"
	"strings"

	"github.com/streamctl/streamctl/internal/failure"
)

// ProtectedError reports a stack whose protections prevent its deletion.
type ProtectedError struct {
	Stack string
	// By lists the protections.
	By []string
}

func (e *ProtectedError) Error() string {
	return fmt.Sprintf("destroy stack %s: it is protected (%s); nothing was changed", e.Stack, strings.Join(e.By, ", "))
}

// Hint is the next step for a user.
func (e *ProtectedError) Hint() string {
	return "if all its data may be deleted, run `streamctl destroy --lift-protection`"
}

// Class is the class of the error.
func (*ProtectedError) Class() failure.Class { return failure.Declined }

// LockedError reports locked objects, which S3 does not delete yet.
type LockedError struct {
	Stack   string
	Buckets []string
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("destroy stack %s: objects in bucket %s are locked (ObjectLockDays) and can't be deleted yet; nothing was changed", e.Stack, strings.Join(e.Buckets, ", "))
}

// Hint is the next step for a user.
func (e *LockedError) Hint() string {
	return "`streamctl destroy --retain-archive` keeps the bucket and its key and deletes everything else"
}

// Class is the class of the error.
func (*LockedError) Class() failure.Class { return failure.Declined }

// AccountError reports credentials for another account than Account in the variables
// file.
type AccountError struct{ Want, Got string }

func (e *AccountError) Error() string {
	return fmt.Sprintf("the credentials are for account %s, but Account in variables.yaml is %s", e.Got, e.Want)
}

// Hint is the next step for a user.
func (e *AccountError) Hint() string {
	return "choose a profile of that account with --profile, or change Account"
}

// Class is the class of the error.
func (*AccountError) Class() failure.Class { return failure.Credentials }

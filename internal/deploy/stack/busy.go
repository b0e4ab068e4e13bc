package stack

import (
	"context"
	"fmt"
	"slices"

	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/pause"
)

// busyPolls bounds the wait for a resource that another operation changes, in poll
// intervals: ten minutes.
const busyPolls = 200

// busyCodes are the errors of a resource that another operation changes. The call
// succeeds once that has ended.
var busyCodes = []string{
	"InvalidDBInstanceState", "InvalidDBInstanceStateFault", "InvalidDBSnapshotState", // RDS
	"ResourceInUseException", "ResourceConflictException", // Lambda
	"ConflictException",            // API Gateway
	"OperationAborted",             // S3
	"OperationAbortedException",    // CloudWatch Logs
	"ConcurrentModification",       // IAM
	"OperationInProgressException", // CloudFormation
}

// IsBusy reports whether a call was rejected only because another operation changes the
// resource.
func IsBusy(err error) bool { return slices.Contains(busyCodes, Code(err)) }

// BusyResourceError is a resource that another operation changed for too long.
type BusyResourceError struct {
	// What names the resource.
	What string
	// Err is the last answer.
	Err error
}

func (e *BusyResourceError) Error() string {
	return fmt.Sprintf("wait for %s: another operation still changes it: %v", e.What, e.Err)
}

func (e *BusyResourceError) Unwrap() error { return e.Err }

// Hint is the next step for a user.
func (e *BusyResourceError) Hint() string {
	return "wait until that operation has ended, then run the same command again"
}

// Class is the class of the error.
func (*BusyResourceError) Class() failure.Class { return failure.Busy }

// WhenFree makes a call, and repeats it while the resource is busy, for ten minutes at
// most. Any other error ends it.
func (s Session) WhenFree(ctx context.Context, what string, call func() error) error {
	for n := 0; ; n++ {
		err := call()
		switch {
		case !IsBusy(err):
			return err
		case n >= busyPolls:
			return &BusyResourceError{What: what, Err: err}
		case n == 0:
			s.Waiting("%s, which another operation changes: %s", what, message(err))
		}
		if err := pause.For(ctx, s.Poll); err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
	}
}

// Await polls until a resource is as wanted, at most polls times. State returns an
// empty text then, and otherwise what it is waiting for.
func (s Session) Await(ctx context.Context, what string, polls int, state func() (string, error)) error {
	reported := ""
	for n := 0; ; n++ {
		now, err := state()
		if err != nil || now == "" {
			return err
		}
		if n >= polls {
			return &BusyResourceError{What: what, Err: fmt.Errorf("its status is %s", now)}
		}
		if now != reported {
			s.Waiting("%s: its status is %s", what, now)
			reported = now
		}
		if err := pause.For(ctx, s.Poll); err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
	}
}

package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/failure"
)

// stepDeny is the step that a second pass over a bucket repeats.
const stepDeny = "deny writes to the buckets"

// SkippableSteps are the names of the steps of a destroy that a user may skip, if a policy
// of the organization denies a call. A destroy needs the remaining steps.
func SkippableSteps() []string {
	fixed := []string{"check", "check for an interrupt", "delete the stack"}
	var names []string
	for _, s := range (&destroy{}).steps() {
		if !slices.Contains(fixed, s.name) {
			names = append(names, s.name)
		}
	}
	return names
}

// CheckSkip rejects the name of a step that can't be skipped; empty is valid.
func CheckSkip(name string) error {
	if name == "" || slices.Contains(SkippableSteps(), name) {
		return nil
	}
	return &SkipError{Step: name}
}

// SkipError is a step that does not exist, or that can't be skipped.
type SkipError struct{ Step string }

func (e *SkipError) Error() string { return fmt.Sprintf("step %q can't be skipped", e.Step) }

// Hint is the next step for a user.
func (e *SkipError) Hint() string {
	return "steps that can be skipped: " + strings.Join(SkippableSteps(), ", ")
}

// Class is the class of the error.
func (*SkipError) Class() failure.Class { return failure.Usage }

// DeniedStepError is a step of a destroy with a call that a policy denies.
type DeniedStepError struct {
	Step string
	Err  error
}

func (e *DeniedStepError) Error() string { return e.Step + ": " + e.Err.Error() }

func (e *DeniedStepError) Unwrap() error { return e.Err }

// Hint is the next step for a user.
func (e *DeniedStepError) Hint() string {
	return "`streamctl doctor --print-policy` prints the permissions that a destroy needs; if a policy of the organization denies the call, --skip-step \"" + e.Step + "\" skips exactly this step"
}

// Class is the class of the error.
func (*DeniedStepError) Class() failure.Class { return failure.Credentials }

// withSkip replaces the skipped step by a report, and names the step in the error of a
// call that is denied.
func (d *destroy) withSkip(steps []step) []step {
	for i, s := range steps {
		if s.name == d.skipped {
			steps[i].run = func(context.Context) (bool, error) {
				d.Step("Skipping a step: %s", s.name)
				return false, nil
			}
			continue
		}
		if CheckSkip(s.name) != nil {
			continue
		}
		steps[i].run = func(ctx context.Context) (bool, error) {
			done, err := s.run(ctx)
			if err != nil && stack.IsDenied(err) {
				err = &DeniedStepError{Step: s.name, Err: err}
			}
			return done, err
		}
	}
	return steps
}

// Package checkup examines a live stack, or the account before the first deploy. Its calls
// change nothing, except that a canary stores one event, and that drift detection is
// started.
package checkup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/health"
)

// Status is the result of a check.
type Status string

// Statuses of a check. A check that could not run is Warn or Fail, never OK.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Result is the result of one check.
type Result struct {
	Check  string
	Status Status
	Detail string
	// Remedy is the fix; empty if the status is OK.
	Remedy string
}

// Target is the stack to examine.
type Target struct {
	Stack     stack.Stack
	Resources []health.Resource
	// Account, Region, Partition and Caller describe the credentials.
	Account, Region, Partition, Caller string
}

// Platform returns the parts of the stack that publish metrics.
func (t Target) Platform() health.Platform { return health.PlatformOf(t.Stack.Name, t.Resources) }

// resource returns the resource with a logical id.
func (t Target) resource(logicalID string) (health.Resource, bool) {
	i := slices.IndexFunc(t.Resources, func(r health.Resource) bool { return r.LogicalID == logicalID })
	if i < 0 {
		return health.Resource{}, false
	}
	return t.Resources[i], true
}

// ofType returns the resources of a type.
func (t Target) ofType(kind string) (out []health.Resource) {
	for _, r := range t.Resources {
		if r.Type == kind {
			out = append(out, r)
		}
	}
	return out
}

// Check is a check with its name for unexpected errors.
type Check struct {
	Name string
	// Action is the permission that the check needs.
	Action string
	Run    func(context.Context) ([]Result, error)
}

// Run runs checks in order. An error of a check is its result: a missing permission is a
// warning, other errors are failures. It returns the results so far if ctx ends.
func Run(ctx context.Context, checks []Check, report func(Result)) error {
	for _, c := range checks {
		results, err := c.Run(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, r := range results {
			report(r)
		}
		if err != nil {
			report(unknown(c, err))
		}
	}
	return nil
}

// unknown returns the result of a check that could not run.
func unknown(c Check, err error) Result {
	if stack.IsDenied(err) {
		return Result{c.Name, Warn, "skipped: not allowed: " + err.Error(), "allow " + c.Action + ": `streamctl doctor --print-policy` prints the documents"}
	}
	return Result{c.Name, Fail, "unknown: " + err.Error(), "correct the cause, then run `streamctl doctor --live` again"}
}

func ok(check, format string, args ...any) []Result {
	return []Result{{Check: check, Status: OK, Detail: fmt.Sprintf(format, args...)}}
}

func problem(check string, s Status, remedy, format string, args ...any) []Result {
	return []Result{{Check: check, Status: s, Detail: fmt.Sprintf(format, args...), Remedy: remedy}}
}

// redeploy is the remedy for a setting that differs from the template. CloudFormation does
// not set what it believes to be set already.
const redeploy = "restore the setting in the AWS console or with the AWS CLI; a deploy changes only what differs between two templates"

// setting is a setting of a resource beside its expected value.
type setting struct{ name, is, want string }

// compare returns one result for the settings of a resource.
func compare(check, resource string, settings []setting) []Result {
	var wrong, right []string
	for _, s := range settings {
		if s.is == s.want {
			right = append(right, s.name)
			continue
		}
		is := s.is
		if is == "" {
			is = "not set"
		}
		wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", s.name, is, s.want))
	}
	if len(wrong) > 0 {
		return problem(check, Fail, redeploy, "%s: %s", resource, strings.Join(wrong, "; "))
	}
	return ok(check, "%s: %s", resource, strings.Join(right, ", "))
}

// last returns the part of an ARN or id after the last slash.
func last(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

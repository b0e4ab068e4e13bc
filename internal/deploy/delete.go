package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// maxDeletes is how often a delete is begun because of what got in its way.
const maxDeletes = 3

// deleteStack deletes a stack by its id, so that one made later under the same
// name is never meant, and follows it. Where a bucket was filled meanwhile it
// is emptied and the delete begun again; one that is retained makes the first
// delete fail, and the next lets go of it: CloudFormation takes no such wish
// before. One that stops at a function's network interfaces is begun again when
// Lambda has given them back.
func (o *Operator) deleteStack(ctx context.Context, stack Stack, retain ...string) error {
	var letGo []string
	giveUp := o.now().Add(networkWithin)
	for attempt := 1; ; attempt++ {
		w, err := o.lookBack(ctx, stack.ID, "delete-"+o.Token(), opDelete)
		if err != nil {
			return err
		}
		o.step("deleting stack " + stack.Name)
		if _, err := o.Stacks.DeleteStack(ctx, &cfn.DeleteStackInput{StackName: &stack.ID, ClientRequestToken: &w.token, RetainResources: letGo}); err != nil {
			return fmt.Errorf("delete stack %s: %w", stack.Name, err)
		}
		after, err := o.follow(ctx, w)
		if err != nil {
			return err
		}
		switch {
		case after.Status == StatusDeleteComplete:
			return nil
		case after.Status != StatusDeleteFailed:
			return &StateError{Op: "delete", Stack: stack.Name, Status: string(after.Status), hint: "CloudFormation refused the delete: " + after.Reason}
		}
		failed := &FailedError{Op: "delete", Stack: stack.Name, Status: string(after.Status), Causes: w.causes()}
		in := inTheWay(failed.Causes)
		if in.others || len(failed.Causes) == 0 || attempt >= maxDeletes || o.now().After(giveUp) {
			return failed
		}
		switch {
		case len(in.buckets) == 0:
		case len(retain) > 0:
			if letGo, err = o.stillThere(ctx, stack, retain); err != nil {
				return err
			}
			o.step("letting go of " + strings.Join(letGo, ", ") + ", which stay")
		default:
			if err := o.emptyAll(ctx, in.buckets, nil); err != nil {
				return err
			}
		}
		if !in.network {
			continue
		}
		users, known, err := o.awaitNetwork(ctx, failed.Causes, giveUp)
		if err != nil {
			return err
		}
		if users > 0 {
			return failed
		}
		if !known {
			attempt-- // only another delete tells
		}
	}
}

// stillThere are those of the logical ids that a stack still owns.
func (o *Operator) stillThere(ctx context.Context, stack Stack, logicalIDs []string) (out []string, err error) {
	holds, err := o.holds(ctx, stack)
	for _, r := range holds {
		if slices.Contains(logicalIDs, r.LogicalID) {
			out = append(out, r.LogicalID)
		}
	}
	return out, err
}

// obstacles are what kept a stack from being deleted.
type obstacles struct {
	buckets []string
	network bool
	// others says that there is something that doesn't go by waiting or emptying.
	others bool
}

// inTheWay sorts a failed delete's causes.
func inTheWay(causes []Event) (o obstacles) {
	for _, c := range causes {
		switch {
		case c.Type == typeBucket && bucketFull.MatchString(c.Reason):
			o.buckets = append(o.buckets, c.PhysicalID)
		case ofNetwork(c):
			o.network = true
		default:
			o.others = true
		}
	}
	return o
}

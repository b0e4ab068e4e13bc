package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

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
	var giveUp time.Time
	for attempt := 1; ; attempt++ {
		w, err := o.lookBack(ctx, stack.ID, deleteToken(retain)+o.Token(), opDelete)
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
		if in.others || len(failed.Causes) == 0 || attempt >= maxDeletes {
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
		if giveUp.IsZero() {
			giveUp = o.now().Add(networkWithin)
		}
		users, known, err := o.awaitNetwork(ctx, failed.Causes, giveUp)
		if err != nil {
			return err
		}
		if users > 0 || !known && o.now().After(giveUp) {
			return failed
		}
		if !known {
			attempt-- // only another delete tells
		}
	}
}

// deleteToken begins a delete's request token: its events tell whoever goes on
// that the archive was to be kept.
func deleteToken(retain []string) string {
	if len(retain) > 0 {
		return keepingToken
	}
	return "delete-"
}

const keepingToken = "delete-keep-"

// wasKeeping says that the delete before was to keep the archive.
func (o *Operator) wasKeeping(ctx context.Context, stack Stack) (bool, error) {
	if stack.Status != StatusDeleteFailed && stack.Status != "DELETE_IN_PROGRESS" {
		return false, nil
	}
	w := &watch{id: stack.ID, seen: map[string]bool{}}
	events, err := o.news(ctx, w)
	for i := len(events) - 1; i >= 0; i-- { // the newest last
		if events[i].token != "" {
			return strings.HasPrefix(events[i].token, keepingToken), err
		}
	}
	return false, err
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

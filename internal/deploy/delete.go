package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"github.com/streamctl/streamctl/internal/pause"
)

const (
	// maxDeletes is how often a delete is begun because a bucket was filled
	// meanwhile.
	maxDeletes = 3
	// networkWithin bounds the wait for network interfaces.
	networkWithin = time.Hour
	// networkLooks is how many of the usual waits there are before the next
	// attempt: a minute.
	networkLooks = 20
)

// deleteStack deletes a stack by its id, so that one made later under the same
// name is never meant, and follows it. Where a bucket was filled meanwhile it
// is emptied and the delete begun again; one that is retained makes the first
// delete fail, and the next lets go of it: CloudFormation takes no such wish
// before. One that stops at network interfaces is begun again until Lambda has
// given them back.
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
		in := inTheWay(w.causes())
		if len(in.others) > 0 || len(in.buckets)+len(in.network) == 0 || attempt == maxDeletes && len(in.network) == 0 || o.now().After(giveUp) {
			return &FailedError{Op: "delete", Stack: stack.Name, Status: string(after.Status), Causes: w.causes()}
		}
		switch {
		case len(in.buckets) == 0:
		case len(retain) > 0:
			if letGo, err = o.stillThere(ctx, stack, retain); err != nil {
				return err
			}
			o.step("letting go of " + strings.Join(letGo, ", ") + ", which stay")
		default:
			if err := o.emptyAll(ctx, in.buckets); err != nil {
				return err
			}
		}
		if err := o.awaitNetwork(ctx, in.network, giveUp); err != nil {
			return err
		}
	}
}

// awaitNetwork waits before a delete is begun again that stopped at the network.
func (o *Operator) awaitNetwork(ctx context.Context, network []Event, until time.Time) error {
	if len(network) == 0 {
		return nil
	}
	var names []string
	for _, e := range network {
		names = append(names, e.PhysicalID+" ("+e.LogicalID+")")
	}
	o.Report(Event{Kind: KindWaiting, Text: fmt.Sprintf("network interfaces in %s, which Lambda gives back 5 to 40 minutes after its functions are gone; the delete is begun again until %s",
		strings.Join(names, ", "), until.Local().Format("15:04:05 MST"))})
	if err := pause.For(ctx, networkLooks*o.Poll); err != nil {
		return fmt.Errorf("wait for network interfaces: %w", err)
	}
	return nil
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
	buckets         []string
	network, others []Event
}

// inTheWay sorts a failed delete's causes.
func inTheWay(causes []Event) (o obstacles) {
	for _, c := range causes {
		switch {
		case c.Type == typeBucket && bucketFull.MatchString(c.Reason):
			o.buckets = append(o.buckets, c.PhysicalID)
		case strings.HasPrefix(c.Type, "AWS::EC2::") && networkInUse.MatchString(c.Reason):
			o.network = append(o.network, c)
		default:
			o.others = append(o.others, c)
		}
	}
	return o
}

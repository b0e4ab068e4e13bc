package stack

import (
	"context"
	"fmt"
	"strings"

	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

const typeBucket = "AWS::S3::Bucket"

// Purpose is the reason for a delete. The request token begins with it, so that a later
// run recognizes the delete in the stack's events.
type Purpose string

// Purposes of a delete.
const (
	Remove Purpose = "delete-"
	// RemoveAndRetain keeps resources.
	RemoveAndRetain Purpose = "delete-keep-"
	// Undo removes the remains of a failed create, before the stack is created again.
	Undo Purpose = "delete-undo-"
)

// Obstacles are the reasons why a stack could not be deleted.
type Obstacles struct {
	// Failed is the failure as a whole.
	Failed *FailedError
	// Buckets are not empty.
	Buckets []string
	// Network reports that network resources are in use.
	Network bool
	// Busy reports resources that another operation changes: deleting again helps.
	Busy bool
	// Others reports an obstacle that neither waiting nor emptying removes.
	Others bool
}

// Delete makes one attempt to delete a stack, by its id, so that a later stack of
// the same name stays, and follows it to its end. Without obstacles the
// stack is gone.
//
// LetGo are logical ids that the stack gives up instead of deleting them;
// CloudFormation accepts that only after a delete that failed.
func (c *Client) Delete(ctx context.Context, s Stack, letGo []string, purpose Purpose) (*Obstacles, error) {
	o := newOperation(c, s.ID, string(purpose)+c.Token(), opDelete)
	if err := o.skipPast(ctx); err != nil {
		return nil, err
	}
	c.Step("Deleting stack %s", s.Name)
	if _, err := c.API.DeleteStack(ctx, &cfn.DeleteStackInput{StackName: &s.ID, ClientRequestToken: &o.token, RetainResources: letGo}); err != nil {
		return nil, fmt.Errorf("delete stack %s: %w", s.Name, err)
	}
	after, err := o.follow(ctx)
	if err != nil {
		return nil, err
	}
	switch after.Status {
	case StatusDeleteComplete:
		return nil, nil
	case StatusDeleteFailed:
		return obstacles(&FailedError{Op: "delete", Stack: s.Name, Status: string(after.Status), Causes: o.causes()}), nil
	}
	return nil, &StateError{Op: "delete", Stack: s.Name, Status: after.Status, Advice: "CloudFormation rejected the delete: " + after.Reason}
}

// obstacles sorts the causes of a failed delete.
func obstacles(failed *FailedError) *Obstacles {
	o := &Obstacles{Failed: failed, Others: len(failed.Causes) == 0}
	for _, c := range failed.Causes {
		switch {
		case c.Type == typeBucket && bucketFull.MatchString(c.Reason):
			o.Buckets = append(o.Buckets, c.PhysicalID)
		case resourceBusy.MatchString(c.Reason):
			o.Busy = true
		case c.BlockedByNetwork():
			o.Network = true
		default:
			o.Others = true
		}
	}
	return o
}

// BlockedByNetwork reports whether a network resource could not be deleted because
// it is in use.
func (e Event) BlockedByNetwork() bool {
	return strings.HasPrefix(e.Type, "AWS::EC2::") && networkInUse.MatchString(e.Reason)
}

// RetainRequested reports whether the last delete was asked to keep resources.
func (c *Client) RetainRequested(ctx context.Context, s Stack) (bool, error) {
	purpose, err := c.LastDelete(ctx, s)
	return purpose == RemoveAndRetain, err
}

// LastDelete returns the purpose of the delete that runs or failed; empty if there is
// none, or if another program began it.
func (c *Client) LastDelete(ctx context.Context, s Stack) (Purpose, error) {
	if s.Status != StatusDeleteFailed && s.Status != StatusDeleting {
		return "", nil
	}
	events, err := newOperation(c, s.ID, "", opOther).newEvents(ctx, c.API)
	for i := len(events) - 1; i >= 0; i-- { // the newest is last
		token := events[i].token
		for _, p := range []Purpose{Undo, RemoveAndRetain, Remove} { // the longer ones first
			if strings.HasPrefix(token, string(p)) {
				return p, err
			}
		}
		if token != "" {
			return "", err
		}
	}
	return "", err
}

package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/failure"
)

const (
	// availablePolls bounds the wait for an instance, in poll intervals: an hour. A new
	// one is backed up right after it was created.
	availablePolls = 1200
	// stackTag is the tag with the id of the stack that created an instance.
	stackTag = "aws:cloudformation:stack-id"

	statusAvailable = "available"
	statusDeleting  = "deleting"
)

// settledStatuses end only by a call, or do not keep RDS from accepting one.
var settledStatuses = []string{statusAvailable, statusDeleting, "failed", "stopped", "storage-full", "storage-optimization"}

// AwaitAvailable waits until RDS accepts changes of an instance: it rejects them while
// the instance is created, backed up or modified. An instance that does not exist, or is
// being deleted, is not waited for.
func (d *Databases) AwaitAvailable(ctx context.Context, id string) error {
	return d.Await(ctx, "database "+id, availablePolls, func() (string, error) {
		instance, err := d.Instance(ctx, id)
		if err != nil || instance == nil {
			return "", err
		}
		status := aws.ToString(instance.DBInstanceStatus)
		if slices.Contains(settledStatuses, status) || strings.HasPrefix(status, "incompatible-") || strings.HasPrefix(status, "inaccessible-") {
			return "", nil
		}
		return status, nil
	})
}

// OfStack reads an instance that a stack created since the given time: by the tag of
// CloudFormation or, without one, by the time of its creation. It returns nil if it does
// not exist. An instance of the same name that is not the stack's is a *ForeignError.
func (d *Databases) OfStack(ctx context.Context, id string, s stack.Stack) (*types.DBInstance, error) {
	instance, err := d.Instance(ctx, id)
	if err != nil || instance == nil {
		return nil, err
	}
	for _, tag := range instance.TagList {
		if aws.ToString(tag.Key) != stackTag {
			continue
		}
		if owner := aws.ToString(tag.Value); owner != s.ID {
			return nil, &ForeignError{ID: id, Stack: s.Name, Why: "its tag " + stackTag + " is " + owner}
		}
		return instance, nil
	}
	if created := aws.ToTime(instance.InstanceCreateTime); !created.IsZero() && created.Before(s.Created.Truncate(time.Second)) {
		return nil, &ForeignError{ID: id, Stack: s.Name, Why: "it was created " + created.UTC().Format(time.RFC3339) + ", before the stack"}
	}
	return instance, nil
}

// ForeignError is an instance with the name of a stack's, which the stack did not create.
type ForeignError struct{ ID, Stack, Why string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("delete database %s: stack %s did not create it: %s; nothing was changed", e.ID, e.Stack, e.Why)
}

// Hint is the next step for a user.
func (e *ForeignError) Hint() string {
	return "CloudFormation would delete it with the stack: rename it (`aws rds modify-db-instance --db-instance-identifier " + e.ID + " --new-db-instance-identifier …`), then run the same command again"
}

// Class is the class of the error.
func (*ForeignError) Class() failure.Class { return failure.Declined }

// Delete deletes an instance with its automated backups and without a snapshot, and waits
// until it is gone. ResourceID identifies it: another instance of the same name stays.
func (d *Databases) Delete(ctx context.Context, id, resourceID string) error {
	same, err := d.byResourceID(ctx, resourceID)
	if err != nil || same == nil {
		return err
	}
	if aws.ToString(same.DBInstanceStatus) != statusDeleting {
		d.Step("Deleting database %s (%s) with its automated backups, without a snapshot", id, resourceID)
		err := d.WhenFree(ctx, "database "+id, func() error {
			_, err := d.API.DeleteDBInstance(ctx, &rds.DeleteDBInstanceInput{DBInstanceIdentifier: same.DBInstanceIdentifier, SkipFinalSnapshot: aws.Bool(true), DeleteAutomatedBackups: aws.Bool(true)})
			return err
		})
		var missing *types.DBInstanceNotFoundFault
		if err != nil && !errors.As(err, &missing) {
			return fmt.Errorf("delete database %s: %w", id, err)
		}
	}
	return d.Await(ctx, "database "+id+" to be deleted", availablePolls, func() (string, error) {
		instance, err := d.byResourceID(ctx, resourceID)
		if err != nil || instance == nil {
			return "", err
		}
		return aws.ToString(instance.DBInstanceStatus), nil
	})
}

// byResourceID reads an instance by its immutable id; nil if it does not exist.
func (d *Databases) byResourceID(ctx context.Context, resourceID string) (*types.DBInstance, error) {
	out, err := d.API.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{Filters: []types.Filter{{Name: aws.String("dbi-resource-id"), Values: []string{resourceID}}}})
	var missing *types.DBInstanceNotFoundFault
	if errors.As(err, &missing) || err == nil && len(out.DBInstances) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read database %s: %w", resourceID, err)
	}
	return &out.DBInstances[0], nil
}

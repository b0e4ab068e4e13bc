// Package database reads and deletes database instances, sets their deletion protection
// and takes their final snapshots.
package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// API is the calls that this package makes; *rds.Client satisfies it.
type API interface {
	InstanceAPI
	SnapshotAPI
}

// InstanceAPI reads, changes and deletes instances.
type InstanceAPI interface {
	DescribeDBInstances(context.Context, *rds.DescribeDBInstancesInput, ...func(*rds.Options)) (*rds.DescribeDBInstancesOutput, error)
	ModifyDBInstance(context.Context, *rds.ModifyDBInstanceInput, ...func(*rds.Options)) (*rds.ModifyDBInstanceOutput, error)
	DeleteDBInstance(context.Context, *rds.DeleteDBInstanceInput, ...func(*rds.Options)) (*rds.DeleteDBInstanceOutput, error)
}

// SnapshotAPI reads, takes and deletes snapshots.
type SnapshotAPI interface {
	DescribeDBSnapshots(context.Context, *rds.DescribeDBSnapshotsInput, ...func(*rds.Options)) (*rds.DescribeDBSnapshotsOutput, error)
	CreateDBSnapshot(context.Context, *rds.CreateDBSnapshotInput, ...func(*rds.Options)) (*rds.CreateDBSnapshotOutput, error)
	CopyDBSnapshot(context.Context, *rds.CopyDBSnapshotInput, ...func(*rds.Options)) (*rds.CopyDBSnapshotOutput, error)
	DeleteDBSnapshot(context.Context, *rds.DeleteDBSnapshotInput, ...func(*rds.Options)) (*rds.DeleteDBSnapshotOutput, error)
}

var _ API = (*rds.Client)(nil)

// Databases are the database instances of an account and region.
type Databases struct {
	stack.Session
	API API
}

// Instance reads a database instance; nil if it does not exist.
func (d *Databases) Instance(ctx context.Context, id string) (*types.DBInstance, error) {
	out, err := d.API.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &id})
	var missing *types.DBInstanceNotFoundFault
	if errors.As(err, &missing) || err == nil && len(out.DBInstances) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read database %s: %w", id, err)
	}
	return &out.DBInstances[0], nil
}

// SetProtection sets an instance's deletion protection and waits until it is set. RDS
// rejects the change while the instance is not available, so that is waited for first.
func (d *Databases) SetProtection(ctx context.Context, id string, protected bool) error {
	if err := d.AwaitAvailable(ctx, id); err != nil {
		return err
	}
	err := d.WhenFree(ctx, "database "+id, func() error {
		_, err := d.API.ModifyDBInstance(ctx, &rds.ModifyDBInstanceInput{
			DBInstanceIdentifier: &id, DeletionProtection: &protected, ApplyImmediately: aws.Bool(true),
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("set the deletion protection of database %s: %w", id, err)
	}
	return d.Await(ctx, "the deletion protection of database "+id, availablePolls, func() (string, error) {
		instance, err := d.Instance(ctx, id)
		if err != nil || instance == nil || aws.ToBool(instance.DeletionProtection) == protected {
			return "", err
		}
		return aws.ToString(instance.DBInstanceStatus), nil
	})
}

// Protect enables an instance's deletion protection if it is off, and reports
// whether it was.
func (d *Databases) Protect(ctx context.Context, id string) (changed bool, err error) {
	instance, err := d.Instance(ctx, id)
	if err != nil || instance == nil || aws.ToBool(instance.DeletionProtection) {
		return false, err
	}
	d.Step("Protecting database %s from deletion again", id)
	return true, d.SetProtection(ctx, id, true)
}

// Snapshots lists the manual snapshots of database instances, which may be gone.
// CloudFormation's are among them.
func (d *Databases) Snapshots(ctx context.Context, instances ...string) ([]string, error) {
	var out []string
	for _, id := range instances {
		pages := stack.Limit("snapshots", rds.NewDescribeDBSnapshotsPaginator(d.API, &rds.DescribeDBSnapshotsInput{DBInstanceIdentifier: &id, SnapshotType: aws.String("manual")}))
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return out, fmt.Errorf("list snapshots of database %s: %w", id, err)
			}
			for _, s := range page.DBSnapshots {
				out = append(out, aws.ToString(s.DBSnapshotIdentifier))
			}
		}
	}
	return out, nil
}

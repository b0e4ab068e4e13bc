package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/streamctl/streamctl/internal/pause"
)

// instance reads a database instance; nil where it is gone.
func (o *Operator) instance(ctx context.Context, id string) (*types.DBInstance, error) {
	out, err := o.Databases.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &id})
	var missing *types.DBInstanceNotFoundFault
	if errors.As(err, &missing) || err == nil && len(out.DBInstances) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look at database %s: %w", id, err)
	}
	return &out.DBInstances[0], nil
}

// unprotect lets RDS delete an instance, and waits until it would.
func (o *Operator) unprotect(ctx context.Context, id string) error {
	_, err := o.Databases.ModifyDBInstance(ctx, &rds.ModifyDBInstanceInput{
		DBInstanceIdentifier: &id, DeletionProtection: aws.Bool(false), ApplyImmediately: aws.Bool(true),
	})
	if err != nil {
		return fmt.Errorf("lift the protection of database %s: %w", id, err)
	}
	for {
		instance, err := o.instance(ctx, id)
		if err != nil {
			return err
		}
		if instance == nil || !aws.ToBool(instance.DeletionProtection) && aws.ToString(instance.DBInstanceStatus) == "available" {
			return nil
		}
		if err := pause.For(ctx, o.Poll); err != nil {
			return fmt.Errorf("lift the protection of database %s: %w", id, err)
		}
	}
}

// snapshots are the manual snapshots of database instances, also of those that
// are gone; CloudFormation's are among them.
func (o *Operator) snapshots(ctx context.Context, instances []Resource) ([]string, error) {
	var out []string
	for _, d := range instances {
		pages := rds.NewDescribeDBSnapshotsPaginator(o.Databases, &rds.DescribeDBSnapshotsInput{DBInstanceIdentifier: &d.PhysicalID, SnapshotType: aws.String("manual")})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return out, fmt.Errorf("list snapshots of database %s: %w", d.PhysicalID, err)
			}
			for _, s := range page.DBSnapshots {
				out = append(out, aws.ToString(s.DBSnapshotIdentifier))
			}
		}
	}
	return out, nil
}

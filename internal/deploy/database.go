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

// setProtection lets RDS delete an instance, or no longer, and waits until it is
// so.
func (o *Operator) setProtection(ctx context.Context, id string, protected bool) error {
	_, err := o.Databases.ModifyDBInstance(ctx, &rds.ModifyDBInstanceInput{
		DBInstanceIdentifier: &id, DeletionProtection: &protected, ApplyImmediately: aws.Bool(true),
	})
	if err != nil {
		return fmt.Errorf("set the deletion protection of database %s: %w", id, err)
	}
	for {
		instance, err := o.instance(ctx, id)
		if err != nil {
			return err
		}
		if instance == nil || aws.ToBool(instance.DeletionProtection) == protected {
			return nil
		}
		if err := pause.For(ctx, o.Poll); err != nil {
			return fmt.Errorf("set the deletion protection of database %s: %w", id, err)
		}
	}
}

// protectAgain puts back the deletion protection that a template gives its
// databases, and a destroy that didn't end lifted.
func (o *Operator) protectAgain(ctx context.Context, current Current) error {
	declared, err := declarations(current.Template)
	if err != nil {
		return fmt.Errorf("read template of %s: %w", current.Stack.Name, err)
	}
	for logicalID, d := range declared {
		if d.Type != typeInstance || fmt.Sprint(d.Properties["DeletionProtection"]) != "true" {
			continue
		}
		id, err := o.physicalID(ctx, current.Stack, logicalID)
		if err != nil {
			return err
		}
		instance, err := o.instance(ctx, id)
		if err != nil || instance == nil || aws.ToBool(instance.DeletionProtection) {
			return err
		}
		o.step("protecting database " + id + " from deletion again")
		if err := o.setProtection(ctx, id, true); err != nil {
			return err
		}
	}
	return nil
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

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

	"github.com/streamctl/streamctl/internal/pause"
)

// accountKey is the account's own key for RDS, which no stack deletes.
const accountKey = "alias/aws/rds"

// finalInfix is in the names of final snapshots, after the instance's id.
const finalInfix = "-final-"

// FinalSnapshot takes the last snapshot of an instance, or finds that of an
// earlier run: its name contains the time when the API stopped accepting events.
// If the instance's key is deleted with the stack, the snapshot is copied under
// the account's own key.
func (d *Databases) FinalSnapshot(ctx context.Context, instance string, since time.Time, keyDeleted bool) error {
	id := instance + finalInfix + since.UTC().Format("20060102-150405")
	if !keyDeleted {
		return d.snapshot(ctx, instance, id)
	}
	status, err := d.snapshotStatus(ctx, id)
	if err != nil {
		return err
	}
	source := id + "-source"
	if status == "" {
		if err := d.snapshot(ctx, instance, source); err != nil {
			return err
		}
		d.Step("Copying snapshot %s under the account's own key, because the stack's key is deleted", source)
		err := d.WhenFree(ctx, "snapshot "+source, func() error {
			_, err := d.API.CopyDBSnapshot(ctx, &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: &source, TargetDBSnapshotIdentifier: &id, KmsKeyId: aws.String(accountKey), CopyTags: aws.Bool(true)})
			return err
		})
		var exists *types.DBSnapshotAlreadyExistsFault // the response of an earlier try was lost
		if err != nil && !errors.As(err, &exists) {
			return fmt.Errorf("copy snapshot %s: %w", source, err)
		}
	}
	if err := d.awaitSnapshot(ctx, id); err != nil {
		return err
	}
	_, err = d.API.DeleteDBSnapshot(ctx, &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: &source})
	var gone *types.DBSnapshotNotFoundFault
	if err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("delete snapshot %s, which was copied: %w", source, err)
	}
	return nil
}

// HasFinalSnapshot reports whether an earlier run took the last snapshot of an
// instance.
func (d *Databases) HasFinalSnapshot(ctx context.Context, instance string) (bool, error) {
	snapshots, err := d.Snapshots(ctx, instance)
	return slices.ContainsFunc(snapshots, func(s string) bool { return strings.HasPrefix(s, instance+finalInfix) }), err
}

// snapshot takes a snapshot, unless it exists, and waits until it is complete.
func (d *Databases) snapshot(ctx context.Context, instance, id string) error {
	d.Step("Taking snapshot %s", id)
	if err := d.AwaitAvailable(ctx, instance); err != nil {
		return err
	}
	err := d.WhenFree(ctx, "database "+instance, func() error {
		_, err := d.API.CreateDBSnapshot(ctx, &rds.CreateDBSnapshotInput{DBInstanceIdentifier: &instance, DBSnapshotIdentifier: &id})
		return err
	})
	var exists *types.DBSnapshotAlreadyExistsFault
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("take snapshot %s of database %s: %w", id, instance, err)
	}
	return d.awaitSnapshot(ctx, id)
}

func (d *Databases) awaitSnapshot(ctx context.Context, id string) error {
	for reported := false; ; {
		status, err := d.snapshotStatus(ctx, id)
		if err != nil || status == "available" {
			return err
		}
		if status == "failed" {
			return fmt.Errorf("take snapshot %s: RDS reports that it failed: `aws rds delete-db-snapshot --db-snapshot-identifier %s`, then run the same command again", id, id)
		}
		if status == "" {
			return fmt.Errorf("wait for snapshot %s: it does not exist any more", id)
		}
		if !reported {
			d.Waiting("snapshot %s to be complete: usually some minutes, longer for a large database", id)
			reported = true
		}
		if err := pause.For(ctx, d.Poll); err != nil {
			return fmt.Errorf("wait for snapshot %s: %w", id, err)
		}
	}
}

// snapshotStatus is empty if the snapshot does not exist.
func (d *Databases) snapshotStatus(ctx context.Context, id string) (string, error) {
	out, err := d.API.DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: &id})
	var missing *types.DBSnapshotNotFoundFault
	if errors.As(err, &missing) || err == nil && len(out.DBSnapshots) == 0 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read snapshot %s: %w", id, err)
	}
	return aws.ToString(out.DBSnapshots[0].Status), nil
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/streamctl/streamctl/internal/pause"
)

// accountKey is the account's own key for RDS, which no stack deletes.
const accountKey = "alias/aws/rds"

// finalSnapshots takes a snapshot of each database whose policy takes none. Its
// name has the time when the API was stopped, so that a destroy that goes on
// after an interruption finds it. One that the stack's key makes unreadable with
// its deletion is copied under the account's own.
func (o *Operator) finalSnapshots(ctx context.Context, p Plan, since time.Time) error {
	for _, d := range p.Databases {
		if !d.ours {
			continue
		}
		id := d.ID + "-final-" + since.UTC().Format("20060102-150405")
		if d.KeyStays || d.Key == "" {
			if err := o.snapshot(ctx, d, id); err != nil {
				return err
			}
			continue
		}
		status, err := o.snapshotStatus(ctx, id)
		if err != nil {
			return err
		}
		source := id + "-source"
		if status == "" {
			if err := o.snapshot(ctx, d, source); err != nil {
				return err
			}
			o.step("copying it under the account's own key, which outlives the stack's")
			_, err := o.Databases.CopyDBSnapshot(ctx, &rds.CopyDBSnapshotInput{SourceDBSnapshotIdentifier: &source, TargetDBSnapshotIdentifier: &id, KmsKeyId: aws.String(accountKey), CopyTags: aws.Bool(true)})
			var there *types.DBSnapshotAlreadyExistsFault // the answer of an earlier try was lost
			if err != nil && !errors.As(err, &there) {
				return fmt.Errorf("copy snapshot %s: %w", source, err)
			}
		}
		if err := o.awaitSnapshot(ctx, id); err != nil {
			return err
		}
		_, err = o.Databases.DeleteDBSnapshot(ctx, &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: &source})
		var gone *types.DBSnapshotNotFoundFault
		if err != nil && !errors.As(err, &gone) {
			return fmt.Errorf("delete snapshot %s, of which there is a copy: %w", source, err)
		}
	}
	return nil
}

// snapshot takes one, unless it is there, and waits until it is complete. Of an
// instance that is gone there is none to take.
func (o *Operator) snapshot(ctx context.Context, d Database, id string) error {
	o.step("taking snapshot " + id)
	_, err := o.Databases.CreateDBSnapshot(ctx, &rds.CreateDBSnapshotInput{DBInstanceIdentifier: &d.ID, DBSnapshotIdentifier: &id})
	var there *types.DBSnapshotAlreadyExistsFault
	if err != nil && !errors.As(err, &there) {
		return fmt.Errorf("take snapshot %s of database %s: %w", id, d.ID, err)
	}
	return o.awaitSnapshot(ctx, id)
}

func (o *Operator) awaitSnapshot(ctx context.Context, id string) error {
	for told := false; ; {
		status, err := o.snapshotStatus(ctx, id)
		if err != nil || status == "available" {
			return err
		}
		if status == "failed" {
			return fmt.Errorf("take snapshot %s: RDS failed to; `aws rds delete-db-snapshot --db-snapshot-identifier %s`, then run the same command again", id, id)
		}
		if status == "" {
			return fmt.Errorf("wait for snapshot %s: it is gone", id)
		}
		if !told {
			o.Report(Event{Kind: KindWaiting, Text: "snapshot " + id + " to be complete, usually some minutes, longer for a large database"})
			told = true
		}
		if err := pause.For(ctx, o.Poll); err != nil {
			return fmt.Errorf("wait for snapshot %s: %w", id, err)
		}
	}
}

// snapshotStatus is empty where there is no such snapshot.
func (o *Operator) snapshotStatus(ctx context.Context, id string) (string, error) {
	out, err := o.Databases.DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: &id})
	var missing *types.DBSnapshotNotFoundFault
	if errors.As(err, &missing) || err == nil && len(out.DBSnapshots) == 0 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at snapshot %s: %w", id, err)
	}
	return aws.ToString(out.DBSnapshots[0].Status), nil
}

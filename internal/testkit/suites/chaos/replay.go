package chaos

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func (w *World) owner() *warehouse.DB {
	return warehouse.NewURL(w.Servers.URL(contract.RoleOwner, w.Database))
}

// reader returns a reader of the archive.
func (w *World) reader() archive.Reader { return archive.Reader{API: w.Bucket, Bucket: "chaos"} }

// Replay loads the archive's records of a time range, through the processor.
func (w *World) Replay(ctx context.Context, from, to time.Time) error {
	h, err := w.openProcessor(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = h.close(context.WithoutCancel(ctx)) }()
	for hour := from.UTC().Truncate(time.Hour); hour.Before(to); hour = hour.Add(time.Hour) {
		objects, err := w.reader().Objects(ctx, hour)
		if err != nil {
			return err
		}
		for _, o := range objects {
			records, err := w.reader().Records(ctx, o)
			if err != nil {
				return err
			}
			if err := w.again(ctx, h, toEvent(records)); err != nil {
				return fmt.Errorf("replay %s: %w", o.Key, err)
			}
		}
	}
	return nil
}

// again loads records through a processor.
func (w *World) again(ctx context.Context, h handler, e events.KinesisEvent) error {
	return w.patiently(ctx, func() error {
		resp, err := h.handle(ctx, e, NoFault, nil)
		if err == nil && len(resp.BatchItemFailures) > 0 {
			return fmt.Errorf("replay stopped at %s", resp.BatchItemFailures[0].ItemIdentifier)
		}
		return err
	})
}

// toEvent converts records of the archive to a Lambda event.
func toEvent(records []archive.ArchivedRecord) events.KinesisEvent {
	var e events.KinesisEvent
	for _, r := range records {
		var k events.KinesisEventRecord
		k.EventID = r.Shard + ":" + r.Sequence
		k.Kinesis.SequenceNumber, k.Kinesis.PartitionKey, k.Kinesis.Data = r.Sequence, r.PartitionKey, r.Data
		k.Kinesis.ApproximateArrivalTimestamp.Time = r.Arrived
		e.Records = append(e.Records, k)
	}
	return e
}

// reconcile compares every hour of arrival with the archive, even if it isn't
// over.
func (w *World) reconcile(ctx context.Context, owner *warehouse.DB) error {
	for hour := w.Servers.Begin; hour.Before(w.Clock.Now()); hour = hour.Add(time.Hour) {
		objects, err := w.reader().Objects(ctx, hour)
		if err != nil {
			return err
		}
		var keys []string
		for _, o := range objects {
			records, err := w.reader().Records(ctx, o)
			if err != nil {
				return err
			}
			keys = append(keys, o.Key)
			if err := owner.CompareObject(ctx, hour, o.Key, maintenance.Lines(records, nil)); err != nil {
				return err
			}
		}
		state, err := owner.CloseHour(ctx, hour, keys)
		if err != nil {
			return err
		}
		if !state.Clean() {
			return fmt.Errorf("hour %s: %d missing, %d unarchived", hour.Format(time.RFC3339), state.Missing, state.Unarchived)
		}
	}
	return nil
}

package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/testkit/bench"
)

// BenchmarkReplay measures a replay beside the loads of the same events by the processor.
func BenchmarkReplay(b *testing.B) {
	w, _, took := loaded(b)
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(b.Context())) }()
	var replays, loads []time.Duration
	for b.Loop() {
		w.empty(b)
		began := time.Now()
		finish(b, h, w.replay())
		replays, loads = append(replays, time.Since(began)), append(loads, took)
	}
	bench.Report(b, "replay",
		bench.Figure{Name: "replayed", Unit: "events/s", Samples: bench.Rates(w.events, replays)},
		bench.Figure{Name: "loaded by the processor", Unit: "events/s", Samples: bench.Rates(w.events, loads[:1])},
		bench.Figure{Name: "speed beside the processor", Samples: bench.Ratios(loads, replays)})
}

// kinesisEvent returns records as Lambda delivers them.
func kinesisEvent(records []archive.ArchivedRecord) (e events.KinesisEvent) {
	for _, r := range records {
		var k events.KinesisEventRecord
		k.EventID = r.Shard + ":" + r.Sequence
		k.Kinesis.SequenceNumber, k.Kinesis.PartitionKey, k.Kinesis.Data = r.Sequence, r.PartitionKey, r.Data
		k.Kinesis.ApproximateArrivalTimestamp.Time = r.Arrived
		e.Records = append(e.Records, k)
	}
	return e
}

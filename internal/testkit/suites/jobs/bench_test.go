package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/archive"

	"github.com/aws/aws-lambda-go/events"
)

// BenchmarkReplay measures a replay beside the loads of the same events, which
// use COPY, and prints the ratio.
func BenchmarkReplay(b *testing.B) {
	w, _, took := loaded(b)
	h, end := w.open(metrics{})
	defer func() { _ = end(context.WithoutCancel(b.Context())) }()
	for b.Loop() {
		b.StopTimer()
		w.empty(b)
		b.StartTimer()
		finish(b, h, w.replay())
	}
	replayed := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(w.events)/replayed.Seconds(), "events/s")
	b.ReportMetric(float64(w.events)/took.Seconds(), "COPY-events/s")
	b.ReportMetric(took.Seconds()/replayed.Seconds(), "of-COPY")
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

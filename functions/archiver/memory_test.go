//go:build !race

package archiver_test

// The race detector's memory would be counted too.

import (
	"context"
	"log/slog"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/testkit/suites/workload"
)

// discard accepts objects and stores nothing.
type discard struct{}

func (discard) Put(context.Context, string, []byte) error { return nil }

// TestMemoryIsFlat measures the memory of batches of 6 MB, Lambda's maximum:
// each takes less than its own size in addition, and nothing accumulates.
func TestMemoryIsFlat(t *testing.T) {
	const size = 6 << 20
	g := workload.New(1, time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC), time.Minute)
	var e events.KinesisEvent
	for total := 0; total < size; {
		var r events.KinesisEventRecord
		r.Kinesis.Data = g.Record().Data
		r.Kinesis.SequenceNumber = strconv.Itoa(len(e.Records))
		r.EventID = "shardId-000000000000:" + r.Kinesis.SequenceNumber
		e.Records = append(e.Records, r)
		total += len(r.Kinesis.Data)
	}
	h := archiver.New(contract.Archiver{}, archiver.Deps{Objects: discard{}, Metrics: metrics{}, Log: slog.New(slog.DiscardHandler)})
	memory := func(batches int) (stays, taken uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range batches {
			if resp, err := h.Handle(t.Context(), e); err != nil || len(resp.BatchItemFailures) > 0 {
				t.Fatal(resp, err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		return after.HeapAlloc, (after.TotalAlloc - before.TotalAlloc) / uint64(batches)
	}
	first, taken := memory(2)
	last, _ := memory(20)
	runtime.KeepAlive(e)
	t.Logf("%d records: %d bytes per batch; %d bytes remain after 2 batches, %d after 22", len(e.Records), taken, first, last)
	if taken > size {
		t.Errorf("a batch of %d bytes takes %d", size, taken)
	}
	if last > first+1<<20 {
		t.Errorf("%d bytes remain after 2 batches, %d after 22", first, last)
	}
}

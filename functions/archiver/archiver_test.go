package archiver_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/funcenv"
	"github.com/streamctl/streamctl/internal/testkit/workload"
)

type bucket struct {
	objects map[string]string
	refuse  func(key string) bool
}

func (b *bucket) Put(_ context.Context, key string, body []byte) error {
	if b.refuse != nil && b.refuse(key) {
		return errors.New("slow down")
	}
	if old, ok := b.objects[key]; ok && old != string(body) {
		return errors.New("same name, other bytes: " + key)
	}
	b.objects[key] = string(body)
	return nil
}

type metrics map[string]float64

func (m metrics) Emit(all ...emf.Metric) error {
	for _, one := range all {
		m[one.Name] += one.Value
	}
	return nil
}

func batch(minutes ...int) events.KinesisEvent {
	var e events.KinesisEvent
	for i, minute := range minutes {
		var r events.KinesisEventRecord
		r.EventID = "shardId-000000000000:" + string(rune('a'+i))
		r.Kinesis.SequenceNumber = string(rune('a' + i))
		r.Kinesis.ApproximateArrivalTimestamp.Time = time.Date(2026, 1, 1, 10, minute, 0, 0, time.UTC)
		r.Kinesis.Data = []byte("not even JSON")
		e.Records = append(e.Records, r)
	}
	return e
}

func TestHandle(t *testing.T) {
	down := func(string) bool { return true }
	tenDown := func(key string) bool { return key < "raw/v1/dt=2026-01-01/hr=11" }
	for name, c := range map[string]struct {
		refuse  func(string) bool
		failed  string
		objects int
		lines   float64
	}{
		"all written":                 {nil, "", 2, 5},
		"nothing written":             {down, "a", 0, 0},
		"the earlier hour is refused": {tenDown, "a", 1, 3},
		"the later hour is refused":   {func(key string) bool { return !tenDown(key) }, "c", 1, 2},
	} {
		b, m := &bucket{objects: map[string]string{}, refuse: c.refuse}, metrics{}
		h := archiver.Handler{Objects: b, Metrics: m, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		resp, err := h.Handle(t.Context(), batch(0, 59, 60, 61, 61))
		if err != nil {
			t.Fatal(err)
		}
		failed := ""
		if len(resp.BatchItemFailures) > 0 {
			failed = resp.BatchItemFailures[0].ItemIdentifier
		}
		if failed != c.failed || len(b.objects) != c.objects || m[funcenv.MetricArchived] != c.lines {
			t.Errorf("%s: failed %q, %d objects, %g lines", name, failed, len(b.objects), m[funcenv.MetricArchived])
		}
	}
}

func TestSecondDeliveryWritesTheSameObjects(t *testing.T) {
	b := &bucket{objects: map[string]string{}}
	h := archiver.Handler{Objects: b, Metrics: metrics{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	var names []string
	for range 2 {
		resp, err := h.Handle(t.Context(), batch(0, 1, 60))
		if err != nil || len(resp.BatchItemFailures) > 0 {
			t.Fatal(resp, err)
		}
		now := slices.Sorted(maps.Keys(b.objects))
		if names != nil && !slices.Equal(names, now) {
			t.Errorf("objects are %v, were %v", now, names)
		}
		names = now
	}
}

// discard takes objects and keeps nothing.
type discard struct{}

func (discard) Put(context.Context, string, []byte) error { return nil }

// TestMemoryIsFlat counts what batches of 6 MB, Lambda's largest, take beside
// themselves: less than one of them each, and nothing that stays.
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
	h := archiver.Handler{Objects: discard{}, Metrics: metrics{}, Log: slog.New(slog.DiscardHandler)}
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
	t.Logf("%d records: %d bytes a batch; %d bytes stay after 2 batches, %d after 22", len(e.Records), taken, first, last)
	if taken > size {
		t.Errorf("a batch of %d bytes takes %d", size, taken)
	}
	if last > first+1<<20 {
		t.Errorf("%d bytes stay after 2 batches, %d after 22", first, last)
	}
}

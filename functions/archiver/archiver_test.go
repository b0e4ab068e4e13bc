package archiver_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/archiver"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
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

func (m metrics) Emit(_ context.Context, all ...emf.Metric) {
	for _, one := range all {
		m[one.Name] += one.Value
	}
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
		"all written":            {nil, "", 2, 5},
		"nothing written":        {down, "a", 0, 0},
		"the earlier hour fails": {tenDown, "a", 1, 3},
		"the later hour fails":   {func(key string) bool { return !tenDown(key) }, "c", 1, 2},
	} {
		b, m := &bucket{objects: map[string]string{}, refuse: c.refuse}, metrics{}
		h := archiver.New(contract.Archiver{}, archiver.Deps{Objects: b, Metrics: m, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		resp, err := h.Handle(t.Context(), batch(0, 59, 60, 61, 61))
		if err != nil {
			t.Fatal(err)
		}
		failed := ""
		if len(resp.BatchItemFailures) > 0 {
			failed = resp.BatchItemFailures[0].ItemIdentifier
		}
		if failed != c.failed || len(b.objects) != c.objects || m[contract.MetricArchived] != c.lines {
			t.Errorf("%s: failed %q, %d objects, %g lines", name, failed, len(b.objects), m[contract.MetricArchived])
		}
	}
}

func TestSecondDeliveryWritesTheSameObjects(t *testing.T) {
	b := &bucket{objects: map[string]string{}}
	h := archiver.New(contract.Archiver{}, archiver.Deps{Objects: b, Metrics: metrics{}, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
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

// TestTheStreamIsArchived keeps the stream's ARN only if events may depend on it.
func TestTheStreamIsArchived(t *testing.T) {
	const arn = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
	for _, formats := range [][]string{nil, {"event"}} {
		b := &bucket{objects: map[string]string{}}
		in := batch(0)
		in.Records[0].EventSourceArn, in.Records[0].Kinesis.SequenceNumber = arn, "49"
		h := archiver.New(contract.Archiver{StreamFormats: formats}, archiver.Deps{Objects: b, Metrics: metrics{}, Log: slog.New(slog.DiscardHandler)})
		if _, err := h.Handle(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		want := ""
		if formats != nil {
			want = arn
		}
		for key, body := range b.objects {
			records, err := archive.ReadRecords(strings.NewReader(body), "")
			if err != nil || len(records) != 1 || records[0].Stream != want {
				t.Errorf("%s: %+v, %v", key, records, err)
			}
		}
	}
}

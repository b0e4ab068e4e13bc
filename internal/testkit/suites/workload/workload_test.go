package workload_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/testkit/suites/workload"
)

var from = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)

func TestSameSeedSameEvents(t *testing.T) {
	one, two, other := workload.New(1, from, time.Hour), workload.New(1, from, time.Hour), workload.New(2, from, time.Hour)
	for range 100 {
		a, b, c := one.Record(), two.Record(), other.Record()
		if !bytes.Equal(a.Data, b.Data) || a.PartitionKey != b.PartitionKey {
			t.Fatalf("%s\nand\n%s", a.Data, b.Data)
		}
		if bytes.Equal(a.Data, c.Data) {
			t.Fatalf("seeds 1 and 2 make %s", a.Data)
		}
	}
}

func TestEventsAreAsTold(t *testing.T) {
	const records = 10_000
	g := workload.New(1, from, 3*time.Hour)
	users, types, versions, sizes := map[string]int{}, map[string]int{}, map[int]int{}, map[int]int{}
	identities := map[[16]byte]bool{}
	total, bytes, early := 0, 0, 0
	for range records {
		r := g.Record()
		sizes[len(r.Events)]++
		for i, line := range event.Lines(r.Data) {
			e, err := event.DecodeEnvelope(line)
			if err != nil || e.Event.UserID != r.PartitionKey || e.Event.ID != r.Events[i].ID || !e.Event.Timestamp.Equal(r.Events[i].Timestamp) {
				t.Fatalf("%s: %+v, %v", line, e, err)
			}
			if err := e.Event.CheckArrival(e.ReceivedAt); err != nil {
				t.Fatal(err)
			}
			if at := e.Event.Timestamp; at.Before(from) || !at.Before(from.Add(3*time.Hour)) {
				t.Fatalf("an event at %s", at)
			} else if at.Before(from.Add(time.Hour)) {
				early++
			}
			users[e.Event.UserID]++
			types[e.Event.Type]++
			versions[int(e.Event.ID.Version())]++
			identities[e.Event.ID] = true
			total++
			bytes += len(e.Event.Properties)
		}
	}
	if len(sizes) != workload.RecordEvents || len(types) != len(workload.Types) || len(identities) != total {
		t.Errorf("sizes %v, types %v, %d ids of %d events", sizes, types, len(identities), total)
	}
	if mean := bytes / total; mean < 180 || mean > 230 {
		t.Errorf("properties have %d bytes", mean)
	}
	if share := 100 * versions[7] / total; share < 48 || share > 52 || versions[4]+versions[7] != total {
		t.Errorf("versions are %v", versions)
	}
	if share := 100 * early / total; share < 31 || share > 36 {
		t.Errorf("%d %% happened in the first third", share)
	}
	counts := make([]int, 0, len(users))
	for _, n := range users {
		counts = append(counts, n)
	}
	slices.SortFunc(counts, func(a, b int) int { return b - a })
	if len(users) < 1000 || len(users) > workload.Users || counts[0] < total/20 {
		t.Errorf("%d users; the first did %d of %d", len(users), counts[0], total)
	}
}

func TestBody(t *testing.T) {
	parts, wrong := event.Split(workload.New(1, from, time.Hour).Body(100))
	if wrong != nil || len(parts) != 100 {
		t.Fatalf("%d parts, %v", len(parts), wrong)
	}
	for _, part := range parts {
		if _, errs := event.Decode(part); len(errs) > 0 {
			t.Fatal(errs)
		}
	}
}

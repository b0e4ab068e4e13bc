package traffic_test

import (
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/traffic"
)

func generate(t *testing.T, o traffic.Options) (all []event.Event) {
	t.Helper()
	g, err := traffic.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for {
		item, err := g.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, item.Event)
	}
}

// TestTraffic checks that each profile generates events that ingest accepts,
// equal for equal seeds, with plausible sessions.
func TestTraffic(t *testing.T) {
	start := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, profile := range traffic.Profiles() {
		o := traffic.Options{Profile: profile, Users: 500, Seed: 7, Events: 4_000, Start: start, Every: time.Millisecond}
		first := generate(t, o)
		if !slices.EqualFunc(first, generate(t, o), same) {
			t.Fatalf("%s: the same seed gives different events", profile)
		}
		o.Seed = 8
		if slices.EqualFunc(first[:100], generate(t, o)[:100], same) {
			t.Errorf("%s: a different seed gives the same events", profile)
		}
		ids, users, kinds := map[string]bool{}, map[string]int{}, map[string]int{}
		for _, e := range first {
			if _, problems := event.Decode(e.AppendJSON(nil)); len(problems) > 0 {
				t.Fatalf("%s: %v", profile, problems)
			}
			ids[e.ID.String()] = true
			users[e.UserID]++
			kinds[e.Type]++
		}
		if len(ids) != len(first) || len(users) < 100 || users["user-000000"] < len(first)/50 {
			t.Errorf("%s: %d ids, %d users, the busiest %d", profile, len(ids), len(users), users["user-000000"])
		}
		if len(kinds) < 6 || kinds["purchase"] == 0 || kinds["purchase"] > len(first)/10 {
			t.Errorf("%s: %v", profile, kinds)
		}
	}
	for _, o := range []traffic.Options{{Profile: "bank", Users: 1}, {Profile: "shop"}} {
		if _, err := traffic.New(o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

func same(a, b event.Event) bool { return string(a.AppendJSON(nil)) == string(b.AppendJSON(nil)) }

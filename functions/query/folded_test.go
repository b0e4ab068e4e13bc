package query_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// loadTypes loads one event of each type.
func (r *rig) loadTypes(t *testing.T, ago time.Duration, types ...string) {
	t.Helper()
	rows := make([]warehouse.Row, len(types))
	for i, kind := range types {
		rows[i] = row("u", now.Add(-ago), kind, "{}")
	}
	r.loadRows(t, rows)
}

// TestAFoldedTypeIsNeverZero loads a hundred junk types, then signup.
func TestAFoldedTypeIsNeverZero(t *testing.T) {
	r := newRig(t)
	var junk []string
	for i := range warehouse.MaxDimensions {
		junk = append(junk, fmt.Sprintf("junk%d", i))
	}
	r.loadTypes(t, 5*time.Minute, junk...)
	r.loadTypes(t, 5*time.Minute, "signup", "signup", "Order Completed")
	if _, err := r.cache.Refresh(t.Context(), r.loader); err != nil {
		t.Fatal(err)
	}
	from := now.Add(-2 * time.Hour).Format(time.RFC3339)
	for _, given := range []map[string]string{
		{"eventType": "signup"},
		{"eventType": "signup", "from": from},
		{"eventType": "signup", "by": "none", "step": "1h"},
		{"eventType": "signup", "from": now.AddDate(0, 0, -30).Format(time.RFC3339), "step": "24h"},
	} {
		var a api.MetricResponse
		r.get(t, "events", given, 200, &a)
		if len(a.Points) != 1 || a.Points[0].Count != 2 || a.Folded != nil {
			t.Errorf("%v: %+v, folded %+v", given, a.Points, a.Folded)
		}
	}
	var a api.MetricResponse
	r.get(t, "events", map[string]string{"eventType": "never"}, 200, &a)
	if len(a.Points) != 0 || a.Folded != nil {
		t.Errorf("a type that was never loaded: %+v, folded %+v", a.Points, a.Folded)
	}
	// A type with rows of its own is read from the cache, even if other types
	// are folded.
	r.get(t, "events", map[string]string{"eventType": "junk1"}, 200, &a)
	if len(a.Points) != 1 || a.Source != "cache" {
		t.Errorf("a type with rows of its own: %+v from %s", a.Points, a.Source)
	}
	// Without the warehouse, the response states what may be missing.
	r.stopWarehouse()
	r.get(t, "events", map[string]string{"eventType": "signup"}, 200, &a)
	if len(a.Points) != 0 || a.Folded == nil || a.Folded.Events != 3 {
		t.Errorf("without the warehouse: %+v, folded %+v", a.Points, a.Folded)
	}
	r.get(t, "events", map[string]string{"eventType": "junk1"}, 200, &a)
	if len(a.Points) != 1 {
		t.Errorf("a type with rows of its own: %+v", a.Points)
	}
}

// TestUsersOfADroppedDayAreNull requests days before and after the floor.
func TestUsersOfADroppedDayAreNull(t *testing.T) {
	r := newRig(t)
	r.load(t, 7, time.Minute, "view")
	if _, err := r.conn.Exec(t.Context(), "UPDATE events_floor SET floor = $1", now.Truncate(24*time.Hour).AddDate(0, 0, -1)); err != nil {
		t.Fatal(err)
	}
	var u api.MetricResponse
	r.get(t, "users", map[string]string{"from": now.AddDate(0, 0, -3).Format(time.DateOnly)}, 200, &u)
	if len(u.Days) != 4 || u.Days[0].Users != nil || u.Days[1].Users != nil || u.Days[2].Users == nil || *u.Days[2].Users != 0 || *u.Days[3].Users != 7 {
		t.Errorf("%+v", u.Days)
	}
}

package warehouse_test

import (
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// lines returns the archive's lines for rows of chunk.
func lines(all []warehouse.Row) []warehouse.ArchivedLine {
	out := make([]warehouse.ArchivedLine, len(all))
	for i, r := range all {
		out[i] = warehouse.ArchivedLine{Shard: chunk(nil).Shard, Seq: r.Seq, I: r.I, ID: r.Event.ID, Timestamp: r.Event.Timestamp}
	}
	return out
}

func TestReconcile(t *testing.T) {
	d := shared.Warehouse(t, noon.AddDate(0, 0, -1), noon)
	owner, db := d.As(t, contract.RoleOwner), d.As(t, contract.RoleLoader)
	all := rows(100, nil)
	c := chunk(all)
	setAside(&c, warehouse.Rejected{Seq: "100", Reason: "no JSON"})
	c.Arrived = noon
	load(t, db, c)
	// The stream also contains a resend of row 7: a line without a row.
	archived := append(lines(all), warehouse.ArchivedLine{Shard: c.Shard, Seq: "100"})
	resend := lines(all[7:8])
	resend[0].Seq = "101"
	archived = append(archived, resend...)

	compare := func(name string, missing, unarchived int64, objects ...[]warehouse.ArchivedLine) {
		t.Helper()
		keys := []string{}
		for i, o := range objects {
			keys = append(keys, name+string(rune('a'+i)))
			if err := owner.CompareObject(t.Context(), noon, keys[i], o); err != nil {
				t.Fatal(err)
			}
		}
		state, err := owner.CloseHour(t.Context(), noon, keys)
		if err != nil || state.Missing != missing || state.Unarchived != unarchived || state.Clean() != (missing+unarchived == 0) {
			t.Errorf("%s: %+v, %v; want %d missing, %d unarchived", name, state, err, missing, unarchived)
		}
		known, err := owner.ComparedObjects(t.Context(), noon)
		if err != nil || state.Clean() && len(known) != 0 {
			t.Errorf("%s: compared are %v, %v", name, known, err)
		}
	}
	compare("no line is archived", 0, 100)
	compare("half is archived", 0, 50, archived[:50])
	if known, err := owner.ComparedObjects(t.Context(), noon); err != nil || len(known) != 1 {
		t.Errorf("compared are %v, %v", known, err)
	}
	compare("a line is missing from both tables", 1, 0, archived, lines(rows(1, func(_ int, r *warehouse.Row) { r.Seq = "102" })))
	compare("a line that is not an event and not in quarantine", 1, 0, archived, []warehouse.ArchivedLine{{Shard: c.Shard, Seq: "103"}})
	old := lines(rows(1, func(_ int, r *warehouse.Row) { r.Seq, r.Event.Timestamp = "104", noon.AddDate(0, 0, -9) }))
	compare("above the floor", 1, 0, archived, old)
	if _, err := d.Conn(t).Exec(t.Context(), "UPDATE events_floor SET floor = $1", noon.AddDate(0, 0, -1)); err != nil {
		t.Fatal(err)
	}
	compare("below the floor", 0, 0, archived, old)
	compare("in two objects", 0, 0, archived[:60], archived[60:])

	if err := owner.CompareObject(t.Context(), noon, "x", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.CloseHour(t.Context(), noon, []string{"x", "y"}); err == nil {
		t.Error("an hour was closed although an object wasn't compared")
	}
}

func TestHoursToCompare(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	owner := d.As(t, contract.RoleOwner)
	if _, ok, err := owner.FirstArrival(t.Context()); ok || err != nil {
		t.Errorf("an empty warehouse: %v, %v", ok, err)
	}
	c := chunk(rows(1, nil))
	c.Arrived = noon.Add(30 * time.Minute)
	load(t, d.As(t, contract.RoleLoader), c)
	first, ok, err := owner.FirstArrival(t.Context())
	if err != nil || !ok || !first.Equal(c.Arrived) {
		t.Errorf("first arrival %s, %v, %v", first, ok, err)
	}
	hours := func(again time.Time, want ...int) {
		t.Helper()
		got, err := owner.UnreconciledHours(t.Context(), first, noon.Add(3*time.Hour+time.Minute), again, 10)
		if err != nil || len(got) != len(want) {
			t.Fatalf("hours %v, %v; want %v", got, err, want)
		}
		for i := range want {
			if !got[i].Equal(noon.Add(time.Duration(want[i]) * time.Hour)) {
				t.Errorf("hours %v, want %v", got, want)
			}
		}
	}
	now := time.Now()
	hours(now, 0, 1, 2) // closed are 12, 13 and 14 o'clock
	for h := range 2 {
		if _, err := owner.CloseHour(t.Context(), noon.Add(time.Duration(h)*time.Hour), nil); err != nil {
			t.Fatal(err)
		}
	}
	// The hour of 12:00 has an event that is in no object; it has just been
	// compared.
	hours(now.Add(-time.Hour), 2)
	hours(now.Add(time.Hour), 2, 0)
	for after, want := range map[time.Duration]int{0: 0, 7 * time.Hour: 0, 25 * time.Hour: 1} { // loading has not passed the hour yet
		if n, err := owner.Unreconciled(t.Context(), now.Add(after)); err != nil || n-uncompared(now.Add(after)) != want {
			t.Errorf("%s later %d are overdue, %v; want %d", after, n, err, want)
		}
	}
	c.Arrived = noon.Add(time.Hour)
	load(t, d.As(t, contract.RoleLoader), c)
	if n, err := owner.Unreconciled(t.Context(), now.Add(7*time.Hour)); err != nil || n-uncompared(now.Add(7*time.Hour)) != 1 {
		t.Errorf("%d are overdue, %v", n, err)
	}
	// A day that retention keeps.
	if _, err := d.Conn(t).Exec(t.Context(), "UPDATE events_floor SET floor = $1", noon.Truncate(24*time.Hour).AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if n, err := owner.Unreconciled(t.Context(), now); err != nil || n-uncompared(now) != 1 {
		t.Errorf("%d are overdue with a day that retention keeps, %v", n, err)
	}
}

// uncompared returns the number of hours since 14:00 that ended at least eight
// hours ago.
func uncompared(now time.Time) int {
	return max(0, int(now.Add(-9*time.Hour).Sub(noon.Add(2*time.Hour))/time.Hour)+1)
}

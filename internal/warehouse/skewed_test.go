package warehouse_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// TestAttemptsWithOtherTimesAreDuplicates stores messages whose attempts have each pair
// of skews, in one chunk and in two. Each is stored once, and the archive, which has
// both attempts, matches.
func TestAttemptsWithOtherTimesAreDuplicates(t *testing.T) {
	d := shared.Warehouse(t, noon.AddDate(0, 0, -2), noon.AddDate(0, 0, 2))
	owner, db := d.As(t, contract.RoleOwner), d.As(t, contract.RoleLoader)
	skews := []time.Duration{0, 14 * time.Minute, -14 * time.Minute, 16 * time.Minute, -16 * time.Minute, 24 * time.Hour, -24 * time.Hour}
	attempt := func(r *warehouse.Row, message string, skew time.Duration) {
		r.Event.ID, r.Event.Timestamp = uuid.NewSHA1(uuid.NameSpaceURL, []byte(message)), noon
		if r.Skewed = skew.Abs() > 10*time.Minute; skew.Abs() > 15*time.Minute {
			r.Event.Timestamp = noon.Add(skew)
		}
	}
	var first, second []warehouse.Row
	for i, a := range skews {
		for j, b := range skews {
			if a == 0 && b == 0 {
				continue
			}
			pair := rows(2, func(k int, r *warehouse.Row) {
				attempt(r, fmt.Sprint(i, " ", j), []time.Duration{a, b}[k])
				r.Seq = fmt.Sprintf("%06d", 100*i+10*j+k)
			})
			first, second = append(first, pair[0]), append(second, pair[1])
		}
	}
	send := func(all []warehouse.Row) warehouse.Loaded {
		c := chunk(all)
		c.MaySkew = slices.ContainsFunc(all, func(r warehouse.Row) bool { return r.Skewed })
		c.Arrived = noon
		return load(t, db, c)
	}
	half := len(first) / 2
	if done := send(first[:half]); done.Inserted != half {
		t.Errorf("first attempts: %+v", done)
	}
	if done := send(second[:half]); done.Inserted != 0 || done.Duplicates != half {
		t.Errorf("second attempts: %+v", done)
	}
	if done := send(slices.Concat(first[half:], second[half:])); done.Inserted != len(first)-half || done.Duplicates != len(first)-half {
		t.Errorf("both attempts: %+v", done)
	}
	for range 2 { // a replay, with the first attempts last
		if done := send(slices.Concat(second, first)); done.Inserted != 0 {
			t.Errorf("replay: %+v", done)
		}
	}
	conn := d.Conn(t)
	if n := number(t, conn, "SELECT count(*) FROM events"); n != int64(len(first)) {
		t.Errorf("%d events, want %d", n, len(first))
	}
	if n := number(t, conn, wrongRollups); n != 0 {
		t.Errorf("%d minutes differ from a recount", n)
	}
	archived := lines(slices.Concat(first, second))
	for i, r := range slices.Concat(first, second) {
		archived[i].Skewed = r.Skewed
	}
	if err := owner.CompareObject(t.Context(), noon, "all", archived); err != nil {
		t.Fatal(err)
	}
	if state, err := owner.CloseHour(t.Context(), noon, []string{"all"}); err != nil || !state.Clean() {
		t.Errorf("%+v, %v", state, err)
	}
	other := rows(1, func(_ int, r *warehouse.Row) { r.Event.ID = uuid.New() })
	if done := send(other); done.Inserted != 1 {
		t.Errorf("another event: %+v", done)
	}
}

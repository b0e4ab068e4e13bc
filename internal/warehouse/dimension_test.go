package warehouse_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// wrongSplit counts the minutes in which the rollups differ from a recount with
// the same split: all events of a type have rows of their own, or all are
// folded.
const wrongSplit = `
	SELECT count(*) FROM (
		SELECT bucket, dimension, sum(n) AS n FROM metric_minute WHERE metric = 'events' GROUP BY 1, 2 HAVING sum(n) > 0) r
	FULL JOIN (
		SELECT bucket, CASE WHEN EXISTS (SELECT FROM dimension d WHERE d.metric = 'events' AND d.value = event_type AND apart @> bucket) THEN event_type ELSE '__other__' END AS dimension, count(*) AS n
		FROM (SELECT date_trunc('minute', timestamp) AS bucket, event_type FROM events) e GROUP BY 1, 2) c
	USING (bucket, dimension) WHERE r.n IS DISTINCT FROM c.n`

// typed returns n events of a type, one per second.
func typed(kind string, n int, from time.Time) []warehouse.Row {
	return rows(n, func(i int, r *warehouse.Row) {
		r.Event.Type, r.Event.Timestamp = kind, from.Add(time.Duration(i)*time.Second)
	})
}

// fill loads as many junk types as can have rows of their own.
func fill(t *testing.T, db *warehouse.DB, at time.Time) {
	t.Helper()
	load(t, db, chunk(rows(warehouse.MaxDimensions, func(i int, r *warehouse.Row) {
		r.Event.Type, r.Event.Timestamp = fmt.Sprintf("junk%d", i), at
	})))
}

// countOf returns the result of a query for a type.
func countOf(t *testing.T, d *postgres.Database, kind string, from, to time.Time) (n int64, folded int64) {
	t.Helper()
	c, err := d.As(t, contract.RoleReader).CountType(t.Context(), kind, from, to, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Points {
		n += p.N
	}
	return n, c.Folded
}

// TestATypeAfterAHundredOthersIsCounted loads a hundred junk types, then
// signup.
func TestATypeAfterAHundredOthersIsCounted(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db := d.As(t, contract.RoleLoader)
	fill(t, db, noon)
	done := load(t, db, chunk(typed("signup", 70, noon)))
	if done.Folded != 70 {
		t.Errorf("%d events are folded", done.Folded)
	}
	from, to := noon, noon.Add(time.Hour)
	if n, folded := countOf(t, d, "signup", from, to); n != 70 || folded != 0 {
		t.Errorf("%d signups, %d may be folded", n, folded)
	}
	if n, folded := countOf(t, d, "junk7", from, to); n != 1 || folded != 0 {
		t.Errorf("%d of a type with rows of its own, %d may be folded", n, folded)
	}
	if n, folded := countOf(t, d, "never", from, to); n != 0 || folded != 0 {
		t.Errorf("%d of a type that was never loaded, %d may be folded", n, folded)
	}
	// Below the floor events can't be counted: the result is not zero.
	execute(t, d, postgres.Master, "UPDATE events_floor SET floor = '2026-02-01'")
	if n, folded := countOf(t, d, "signup", from, to); n != 0 || folded != 70 {
		t.Errorf("below the floor: %d signups, %d may be folded", n, folded)
	}
}

// TestAPlaceIsReleasedAndGivenAgain releases values that were not loaded for 30
// days, and admits other values instead.
func TestAPlaceIsReleasedAndGivenAgain(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, owner, conn := d.As(t, contract.RoleLoader), d.As(t, contract.RoleOwner), d.Conn(t)
	fill(t, db, noon)
	load(t, db, chunk(typed("signup", 30, noon)))
	execute(t, d, postgres.Master, "UPDATE dimension SET last_seen = current_date - 31 WHERE value <> 'junk3'")
	load(t, db, chunk(typed("junk4", 1, noon))) // is in use again
	unseen := time.Now().UTC().AddDate(0, 0, -warehouse.ReleaseAfterDays)
	if n, err := owner.ReleaseValues(t.Context(), unseen); err != nil || n != 98 {
		t.Fatalf("%d values were released, %v", n, err)
	}
	// A value keeps its existing rows; new values wait for maintenance.
	load(t, db, chunk(typed("junk9", 2, noon)))
	load(t, db, chunk(typed("signup", 30, noon.Add(10*time.Minute))))
	if n := number(t, conn, "SELECT count(*) FROM dimension_wanted WHERE value = 'signup'"); n != 1 {
		t.Errorf("%d requests for signup", n)
	}
	if n, err := owner.GivePlaces(t.Context()); err != nil || n != 2 {
		t.Errorf("%d values were admitted, %v", n, err)
	}
	// It has rows of its own from the minute after the last folded one.
	load(t, db, chunk(typed("signup", 90, noon.Add(10*time.Minute))))
	if n := number(t, conn, "SELECT coalesce(sum(n), 0) FROM metric_minute WHERE dimension = 'signup'"); n != 30 {
		t.Errorf("%d signups have rows of their own", n)
	}
	if n, folded := countOf(t, d, "signup", noon, noon.Add(time.Hour)); n != 150 || folded != 0 {
		t.Errorf("%d signups, %d may be folded", n, folded)
	}
	if n, _ := countOf(t, d, "junk9", noon, noon.Add(time.Hour)); n != 3 {
		t.Errorf("%d of a released value", n)
	}
	if n := number(t, conn, wrongSplit); n != 0 {
		t.Errorf("%d rollups differ before a recount", n)
	}
	before := texts(t, conn, "SELECT concat_ws(' ', bucket, dimension, sum(n)) FROM metric_minute GROUP BY bucket, dimension HAVING sum(n) > 0 ORDER BY 1")
	if err := owner.RebuildRollups(t.Context(), noon, noon.Add(time.Hour), nil, nil); err != nil {
		t.Fatal(err)
	}
	after := texts(t, conn, "SELECT concat_ws(' ', bucket, dimension, sum(n)) FROM metric_minute GROUP BY bucket, dimension HAVING sum(n) > 0 ORDER BY 1")
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("a recount gives %v, want %v", after, before)
	}
}

// TestReservedEventTypesHaveAPlace reserves types before and after they fold.
func TestReservedEventTypesHaveAPlace(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, owner, conn := d.As(t, contract.RoleLoader), d.As(t, contract.RoleOwner), d.Conn(t)
	if err := owner.ReserveEventTypes(t.Context(), []string{"Order Completed"}); err != nil {
		t.Fatal(err)
	}
	fill(t, db, noon)
	load(t, db, chunk(typed("Order Completed", 5, noon)))
	load(t, db, chunk(typed("signup", 5, noon)))
	own := func(kind string) int64 {
		return number(t, conn, "SELECT coalesce(sum(n), 0) FROM metric_minute WHERE dimension = $1", kind)
	}
	if n := own("Order Completed"); n != 5 {
		t.Errorf("%d of a reserved type", n)
	}
	for range 2 { // as at each deploy
		if err := owner.ReserveEventTypes(t.Context(), []string{"signup"}); err != nil {
			t.Fatal(err)
		}
	}
	load(t, db, chunk(typed("signup", 120, noon)))
	if n := own("signup"); n != 60 { // from the next minute on
		t.Errorf("%d of a type that was reserved later", n)
	}
	if n := number(t, conn, "SELECT count(*) FROM dimension WHERE reserved"); n != 1 {
		t.Errorf("%d reserved values", n)
	}
	execute(t, d, postgres.Master, "UPDATE dimension SET last_seen = current_date - 40")
	if _, err := owner.ReleaseValues(t.Context(), time.Now().UTC().AddDate(0, 0, -30)); err != nil {
		t.Fatal(err)
	}
	values, err := d.As(t, contract.RoleReader).Values(t.Context(), warehouse.MetricEvents)
	if err != nil || len(values) != 102 || values[0].Value != "signup" || !values[0].Reserved || values[0].ReleasedAt != nil || values[1].ReleasedAt == nil {
		t.Errorf("%d values, the first %+v, %v", len(values), values[:2], err)
	}
	if n := number(t, conn, wrongSplit); n != 0 {
		t.Errorf("%d rollups differ from a recount", n)
	}
}

// TestForgottenValuesLoseTheirPlace releases values by name.
func TestForgottenValuesLoseTheirPlace(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, owner, conn := d.As(t, contract.RoleLoader), d.As(t, contract.RoleOwner), d.Conn(t)
	load(t, db, chunk(rows(90, nil)))
	got, err := owner.ForgetValues(t.Context(), warehouse.MetricEvents, []string{"buy", "never"})
	if err != nil || len(got) != 1 || got[0] != "buy" {
		t.Fatalf("%v, %v", got, err)
	}
	later := time.Now().UTC().AddDate(0, 0, 3).Truncate(time.Hour)
	if _, err := owner.EnsurePartitions(t.Context(), later, later, nil); err != nil {
		t.Fatal(err)
	}
	load(t, db, chunk(typed("buy", 7, later)))
	if n := number(t, conn, "SELECT sum(n) FROM metric_minute WHERE dimension = '__other__'"); n != 7 {
		t.Errorf("%d are folded", n)
	}
	if n, folded := countOf(t, d, "buy", later, later.Add(time.Hour)); n != 7 || folded != 0 {
		t.Errorf("%d are counted, %d may be folded", n, folded)
	}
	if n := number(t, conn, wrongSplit); n != 0 {
		t.Errorf("%d rollups differ from a recount", n)
	}
}

// TestPlacesChangeWhileEventsAreLoaded releases and admits values and recounts
// during concurrent loads.
func TestPlacesChangeWhileEventsAreLoaded(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	owner, conn := d.As(t, contract.RoleOwner), d.Conn(t)
	fill(t, d.As(t, contract.RoleLoader), noon)
	const shards, chunks = 4, 25
	errs := make(chan error, shards)
	for s := range shards {
		db := d.As(t, contract.RoleLoader)
		go func() {
			var err error
			for part := range chunks {
				c := chunk(rows(100, func(i int, r *warehouse.Row) {
					r.Event.Type = fmt.Sprintf("type%d", (part*17+i*7+s)%140)
					r.Event.Timestamp = noon.Add(time.Duration((part*4+i%5)%90) * time.Minute)
				}))
				c.Shard = fmt.Sprintf("shardId-%012d", s)
				if _, e := db.Load(t.Context(), c); e != nil {
					err = e
				}
			}
			errs <- err
		}()
	}
	done := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			_, err := owner.ForgetValues(t.Context(), warehouse.MetricEvents, []string{fmt.Sprintf("junk%d", i%100), fmt.Sprintf("type%d", i*3%140)})
			if err == nil {
				_, err = owner.GivePlaces(t.Context())
			}
			if err == nil && i%5 == 0 {
				err = owner.RebuildRollups(t.Context(), noon, noon.Add(2*time.Hour), nil, nil)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range shards {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	close(done)
	changing.Wait()
	if n := number(t, conn, wrongSplit); n != 0 {
		t.Errorf("%d rollups differ from a recount", n)
	}
	for _, kind := range []string{"type3", "type77", "type139", "junk5"} {
		want := number(t, conn, "SELECT count(*) FROM events WHERE event_type = $1", kind)
		if n, folded := countOf(t, d, kind, noon, noon.Add(3*time.Hour)); n != want || folded != 0 {
			t.Errorf("%d of %s, want %d; %d may be folded", n, kind, want, folded)
		}
	}
}

// TestValuesAreSeenOnceADay records that a value was seen without making loads
// wait for each other.
func TestValuesAreSeenOnceADay(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	load(t, db, chunk(rows(9, nil)))
	execute(t, d, postgres.Master, "UPDATE dimension SET last_seen = current_date - 1")
	blocker, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := blocker.Exec(t.Context(), "SELECT FROM dimension WHERE value = 'view' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	load(t, db, chunk(rows(9, nil))) // does not wait
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := func() int64 {
		return number(t, conn, "SELECT count(*) FROM dimension WHERE last_seen = current_date")
	}
	if n := seen(); n != 2 {
		t.Errorf("%d values are seen today", n)
	}
	load(t, db, chunk(rows(9, nil)))
	if n := seen(); n != 3 {
		t.Errorf("%d values are seen today", n)
	}
	var xmin string
	if err := conn.QueryRow(t.Context(), "SELECT max(xmin::text) FROM dimension").Scan(&xmin); err != nil {
		t.Fatal(err)
	}
	load(t, db, chunk(rows(9, nil)))
	var again string
	if err := conn.QueryRow(t.Context(), "SELECT max(xmin::text) FROM dimension").Scan(&again); err != nil || again != xmin {
		t.Errorf("a value is written again on the same day: %s, %s, %v", xmin, again, err)
	}
}

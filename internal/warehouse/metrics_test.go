package warehouse_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// nowDay creates a database with today's and tomorrow's partition, and returns
// the current time, for what depends on the database's clock.
func nowDay(t *testing.T) (*postgres.Database, time.Time) {
	t.Helper()
	now := time.Now().UTC()
	return shared.Warehouse(t, now.AddDate(0, 0, -3), now.AddDate(0, 0, 2)), now.Truncate(time.Minute)
}

func setMetrics(t *testing.T, d *postgres.Database, declared ...metric.Definition) {
	t.Helper()
	if err := d.As(t, contract.RoleOwner).SetMetrics(t.Context(), declared); err != nil {
		t.Fatal(err)
	}
}

func texts(t *testing.T, conn *pgx.Conn, sql string, args ...any) []string {
	t.Helper()
	found, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return list
}

// seriesRows selects a series' rollups as text, with slots summed.
const seriesRows = `SELECT concat_ws(' ', bucket, dimension, sum(n), trim_scale(sum(sum)), trim_scale(min(min)), trim_scale(max(max)))
	FROM metric_minute WHERE metric = $1 AND n <> 0 GROUP BY bucket, dimension ORDER BY bucket, dimension`

var revenue = metric.Definition{Name: "revenue", EventType: "purchase", Sum: "properties.amount", By: []string{"properties.country"}}

// purchases have amounts with cents, including a negative one; some amounts are
// missing or not a number.
func purchases(n int, from time.Time) []warehouse.Row {
	return rows(n, func(i int, r *warehouse.Row) {
		r.Event.Timestamp = from.Add(time.Duration(i) * 500 * time.Millisecond)
		r.Event.Type = []string{"purchase", "view"}[i%5/4]
		amount := fmt.Sprintf("%d.%02d", i%300-100, i%100)
		switch i % 40 {
		case 11:
			amount = `"12"`
		case 12:
			amount = "null"
		case 13:
			amount = "1.5e2"
		}
		r.Event.Properties = []byte(fmt.Sprintf(`{"amount":%s,"country":"%s"}`, amount, []string{"DE", "FR", "AT"}[i%3]))
		if i%40 == 14 {
			r.Event.Properties = []byte(`{}`)
		}
	})
}

func TestDeclaredMetricsEqualSQL(t *testing.T) {
	d, now := nowDay(t)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	smallest := metric.Definition{Name: "smallest", EventType: "purchase", Min: "properties.amount"}
	pairs := metric.Definition{Name: "pairs", By: []string{"eventType", "properties.country"}}
	setMetrics(t, d, revenue, smallest, pairs)
	all := purchases(2000, now)
	load(t, db, chunk(all[:1500]))
	load(t, db, chunk(all[1000:]))

	numbers := `FROM events WHERE event_type = 'purchase' AND jsonb_typeof(properties->'amount') = 'number'`
	for name, sql := range map[string]string{
		revenue.Key(): `SELECT concat_ws(' ', date_trunc('minute', timestamp), properties->>'country', count(*), trim_scale(sum((properties->>'amount')::numeric)),
			trim_scale(min((properties->>'amount')::numeric)), trim_scale(max((properties->>'amount')::numeric))) ` + numbers + `
			GROUP BY date_trunc('minute', timestamp), properties->>'country' ORDER BY date_trunc('minute', timestamp), properties->>'country'`,
		smallest.Key(): `SELECT concat_ws(' ', date_trunc('minute', timestamp), '', count(*), trim_scale(sum((properties->>'amount')::numeric)),
			trim_scale(min((properties->>'amount')::numeric)), trim_scale(max((properties->>'amount')::numeric))) ` + numbers + `
			GROUP BY date_trunc('minute', timestamp) ORDER BY date_trunc('minute', timestamp)`,
		metric.SkippedKey(revenue.Key()): `SELECT concat_ws(' ', date_trunc('minute', timestamp), '', count(*), 0) FROM events
			WHERE event_type = 'purchase' AND jsonb_typeof(properties->'amount') IS DISTINCT FROM 'number'
			GROUP BY date_trunc('minute', timestamp) ORDER BY date_trunc('minute', timestamp)`,
		pairs.Key(): `SELECT concat_ws(' ', date_trunc('minute', timestamp), '["' || event_type || '","' || coalesce(properties->>'country', '') || '"]', count(*), 0) FROM events
			GROUP BY date_trunc('minute', timestamp), event_type, properties->>'country' ORDER BY date_trunc('minute', timestamp), '["' || event_type || '","' || coalesce(properties->>'country', '') || '"]'`,
	} {
		got, want := texts(t, conn, seriesRows, name), texts(t, conn, sql)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) || len(got) < 17 {
			t.Errorf("%s:\n%q\nSQL gives\n%q", name, got, want)
		}
	}
}

func TestAChangedMetricIsANewSeries(t *testing.T) {
	d, now := nowDay(t)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	setMetrics(t, d, revenue)
	// Some are before the minute in which the metrics are set, some after.
	load(t, db, chunk(purchases(600, now.Add(-2*time.Minute))))
	changed := revenue
	changed.By = nil
	setMetrics(t, d, changed)
	load(t, db, chunk(purchases(600, now.Add(-time.Minute))))
	if revenue.Key() == changed.Key() {
		t.Fatal("the key did not change")
	}
	key, by, ok, err := db.MetricKey(t.Context(), "revenue")
	if err != nil || !ok || key != changed.Key() || by != 0 {
		t.Errorf("revenue is %s by %d, %v, %v", key, by, ok, err)
	}
	since, ok, err := db.Since(t.Context(), key)
	if err != nil || !ok || since.Before(now) || since.Truncate(time.Minute) != since {
		t.Errorf("since %s, %v, %v", since, ok, err)
	}
	// From since on it is complete, including events loaded before the
	// declaration.
	want := number(t, conn, `SELECT count(*) FROM events WHERE event_type = 'purchase' AND timestamp >= $1 AND jsonb_typeof(properties->'amount') = 'number'`, since)
	if n := number(t, conn, "SELECT sum(n) FROM metric_minute WHERE metric = $1 AND bucket >= $2", key, since); n != want || n == 0 {
		t.Errorf("%d counted since then, want %d as in SQL", n, want)
	}
	// A metric that is declared again continues its series, with a gap before
	// its new since.
	before := number(t, conn, "SELECT count(*) FROM metric WHERE name = 'revenue'")
	setMetrics(t, d, revenue)
	setMetrics(t, d, revenue) // as at each deploy
	if n := number(t, conn, "SELECT count(*) FROM metric WHERE name = 'revenue'"); n != before || n != 2 {
		t.Errorf("%d series of revenue, then %d", before, n)
	}
	if n := number(t, conn, "SELECT count(*) FROM metric WHERE name = 'revenue' AND active"); n != 1 {
		t.Errorf("%d active series", n)
	}
	if _, _, ok, err := db.MetricKey(t.Context(), "nothing"); ok || err != nil {
		t.Errorf("a missing metric: %v, %v", ok, err)
	}
}

func TestMetricsAreSetWhileEventsAreLoaded(t *testing.T) {
	d, now := nowDay(t)
	conn := d.Conn(t)
	all := purchases(3000, now.Add(-10*time.Minute))
	done := make(chan error)
	for shard := range 3 {
		db := d.As(t, contract.RoleLoader)
		go func() {
			for at := shard * 100; at < len(all); at += 300 {
				c := chunk(all[at : at+100])
				c.Shard = strconv.Itoa(shard)
				if _, err := db.Load(t.Context(), c); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	setMetrics(t, d, revenue)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	since, _, err := d.As(t, contract.RoleReader).Since(t.Context(), revenue.Key())
	if err != nil {
		t.Fatal(err)
	}
	want := number(t, conn, `SELECT count(*) FROM events WHERE event_type = 'purchase' AND timestamp >= $1 AND jsonb_typeof(properties->'amount') = 'number'`, since)
	if n := number(t, conn, "SELECT sum(n) FROM metric_minute WHERE metric = $1 AND bucket >= $2", revenue.Key(), since); n != want || n == 0 {
		t.Errorf("%d counted, want %d as in SQL", n, want)
	}
}

// analyze computes a measure: the time that a page took.
func analyze(e event.Event) []metric.Contribution {
	if e.Type != "view" {
		return nil
	}
	return []metric.Contribution{{Key: "took", Dimension: "page" + string(e.UserID[len(e.UserID)-1]), Value: strconv.Itoa(int(e.Timestamp.Unix() % 1000))}}
}

func TestRecountGivesTheSameRows(t *testing.T) {
	d, now := nowDay(t)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	owner := d.As(t, contract.RoleOwner)
	many := metric.Definition{Name: "many", Sum: "properties.n", By: []string{"properties.value"}}
	setMetrics(t, d, many)
	from := now.Add(2 * time.Minute)
	const values, portion = 100_000, warehouse.MaxChunk
	for at := 0; at < values; at += portion {
		all := rows(portion, func(i int, r *warehouse.Row) {
			r.Event.Timestamp = from.Add(time.Duration(at+i) * 2 * time.Millisecond)
			r.Event.Properties = []byte(fmt.Sprintf(`{"n":%d.5,"value":"v%d"}`, i-100, at+i))
			r.Measures = analyze(r.Event)
		})
		load(t, db, chunk(all))
	}
	// A computed series is complete only later; here, from the beginning.
	if _, err := conn.Exec(t.Context(), "UPDATE metric SET since = $1 WHERE key = 'took'", now); err != nil {
		t.Fatal(err)
	}
	if n := number(t, conn, "SELECT count(*) FROM dimension WHERE metric = $1", many.Key()); n != 100 {
		t.Errorf("%d of %d values have rows of their own", n, values)
	}
	if n := number(t, conn, "SELECT sum(n) FROM metric_minute WHERE metric = $1 AND dimension = '__other__'", many.Key()); n != values-100 {
		t.Errorf("%d under __other__", n)
	}
	before := map[string][]string{}
	for _, key := range []string{"events", "took", many.Key()} {
		if before[key] = texts(t, conn, seriesRows, key); len(before[key]) < 3 {
			t.Errorf("%s has %d rows", key, len(before[key]))
		}
	}
	rev := number(t, conn, "SELECT max(rev) FROM metric_minute")
	// Damage the rollups: half of the rows are missing, and one is superfluous.
	_, err := conn.Exec(t.Context(), `DELETE FROM metric_minute WHERE hashtext(dimension) % 2 = 0`)
	if err == nil {
		_, err = conn.Exec(t.Context(), `INSERT INTO metric_minute (metric, bucket, dimension, slot, rev, n) VALUES ('events', $1, 'ghost', 3, 9, 9)`, from.Truncate(time.Minute))
	}
	if err != nil {
		t.Fatal(err)
	}
	measures := func(e event.Event) ([]metric.Contribution, error) { return analyze(e), nil }
	if err := owner.RebuildRollups(t.Context(), now, from.Add(5*time.Minute), measures, nil); err != nil {
		t.Fatal(err)
	}
	for key, want := range before {
		if got := texts(t, conn, seriesRows, key); !slices.Equal(got, want) {
			t.Errorf("%s has %d rows, want %d as before", key, len(got), len(want))
		}
	}
	// The cache can detect it: revisions increased, and the cleared row
	// remains.
	if n := number(t, conn, "SELECT rev FROM metric_minute WHERE dimension = 'ghost' AND n = 0"); n != 10 {
		t.Errorf("the cleared row has rev %d", n)
	}
	if n := number(t, conn, "SELECT max(rev) FROM metric_minute"); n <= rev {
		t.Errorf("rev was %d and is now %d", rev, n)
	}
}

func TestRecountEndsAtTheFloor(t *testing.T) {
	d := shared.Warehouse(t, noon.AddDate(0, 0, -1), noon)
	if _, err := d.Conn(t).Exec(t.Context(), "UPDATE events_floor SET floor = $1", noon.Truncate(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	owner := d.As(t, contract.RoleOwner)
	err := owner.RebuildRollups(t.Context(), noon.AddDate(0, 0, -1), noon, nil, nil)
	if below, ok := errorAs[*warehouse.BelowFloorError](err); !ok || below.Hint() != "start at 2026-01-31T00:00:00Z or later" {
		t.Errorf("below the floor: %v", err)
	}
	if err := owner.RebuildRollups(t.Context(), noon, noon.Add(time.Minute), nil, nil); err != nil {
		t.Error(err)
	}
}

package warehouse_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

var shared postgres.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func rows(n int, change func(i int, r *warehouse.Row)) []warehouse.Row {
	all := make([]warehouse.Row, n)
	for i := range all {
		all[i] = warehouse.Row{
			Event: event.Event{
				ID: uuid.New(), UserID: fmt.Sprintf("user%d", i%7), Type: []string{"view", "click", "buy"}[i%3],
				Timestamp: noon.Add(time.Duration(i) * time.Second), Properties: []byte(`{"n":1.50}`),
			},
			ReceivedAt: noon, ArrivedAt: noon, Record: i, Seq: fmt.Sprintf("%06d", i),
		}
		if change != nil {
			change(i, &all[i])
		}
	}
	return all
}

func chunk(rows []warehouse.Row) warehouse.Chunk {
	return warehouse.Chunk{
		Shard: "shardId-000000000000", FirstSeq: "a", LastSeq: "z", Records: len(rows),
		Decode: func(i int) ([]warehouse.Row, []warehouse.Rejected) { return rows[i : i+1], nil },
		Keep:   func(context.Context, []warehouse.Rejected) (string, error) { return "quarantine/v1/x", nil },
	}
}

// setAside adds a record with a line that can't be loaded.
func setAside(c *warehouse.Chunk, bad warehouse.Rejected) {
	decode, last := c.Decode, c.Records
	c.Records++
	c.Decode = func(record int) ([]warehouse.Row, []warehouse.Rejected) {
		if record == last {
			return nil, []warehouse.Rejected{bad}
		}
		return decode(record)
	}
}

func load(t *testing.T, db *warehouse.DB, c warehouse.Chunk) warehouse.Loaded {
	t.Helper()
	done, err := db.Load(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func number(t *testing.T, conn *pgx.Conn, sql string, args ...any) (n int64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// wrongRollups counts the minutes in which the rollups differ from a recount of
// events.
const wrongRollups = `
	SELECT count(*) FROM (
		SELECT bucket, dimension, sum(n) AS n FROM metric_minute WHERE metric = 'events' GROUP BY 1, 2) r
	FULL JOIN (
		SELECT date_trunc('minute', timestamp) AS bucket, coalesce(d.value, '__other__') AS dimension, count(*) AS n
		FROM events LEFT JOIN dimension d ON d.metric = 'events' AND d.value = event_type GROUP BY 1, 2) c
	USING (bucket, dimension) WHERE r.n IS DISTINCT FROM c.n`

func TestLoadIsExactlyOnce(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	all := rows(1000, nil)
	first := load(t, db, chunk(all[:590]))
	if first.Inserted != 590 || first.Duplicates != 0 || len(first.Minutes) != 30 {
		t.Errorf("first load: %d inserted, %d duplicates, %d minutes", first.Inserted, first.Duplicates, len(first.Minutes))
	}
	if users := first.Users["20260131"]; len(users) != 7 || !slices.IsSorted(users) {
		t.Errorf("users are %v", users)
	}
	// The same rows in other chunks, and some twice in one chunk.
	again := load(t, db, chunk(slices.Concat(all[300:], all[900:])))
	if again.Inserted != 410 || again.Duplicates != 390 {
		t.Errorf("second load: %d inserted, %d duplicates", again.Inserted, again.Duplicates)
	}
	if all := load(t, db, chunk(all)); all.Inserted != 0 || all.Duplicates != 1000 || len(all.Minutes) != 0 {
		t.Errorf("third load: %+v", all)
	}
	if n := number(t, conn, "SELECT count(*) FROM events"); n != 1000 {
		t.Errorf("%d events", n)
	}
	if n := number(t, conn, wrongRollups); n != 0 {
		t.Errorf("%d rollups differ from a recount", n)
	}
	if n := number(t, conn, "SELECT max(rev) FROM metric_minute"); n != 2 {
		t.Errorf("largest rev is %d, want 2: minute 9 changed twice", n)
	}
	if n := number(t, conn, "SELECT count(*) FROM load_batch"); n != 3 {
		t.Errorf("%d batches recorded", n)
	}
}

func TestSameIdentityOtherContentKeepsTheFirst(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	row := rows(1, nil)
	load(t, db, chunk(row))
	row[0].Event.UserID = "another"
	if done := load(t, db, chunk(row)); done.Duplicates != 1 {
		t.Errorf("%+v", done)
	}
	if n := number(t, conn, "SELECT count(*) FROM events WHERE user_id = 'user0'"); n != 1 {
		t.Error("the first content was replaced")
	}
}

func TestUnloadableEventsAreIsolated(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	all := rows(200, func(i int, r *warehouse.Row) {
		if i == 17 || i == 18 || i == 150 { // values that validation rejects
			r.Event.Properties = []byte(`{"n":1e200000}`)
		}
	})
	c := chunk(all)
	setAside(&c, warehouse.Rejected{Record: 9, Seq: "x", I: 3, Reason: "no envelope \x00\xff"})
	var kept []int
	c.Keep = func(_ context.Context, bad []warehouse.Rejected) (string, error) {
		for _, b := range bad {
			kept = append(kept, b.Record)
		}
		return "quarantine/v1/y", nil
	}
	done := load(t, db, c)
	if done.Inserted != 197 || done.Quarantined != 4 || done.Duplicates != 0 || !slices.Equal(kept, []int{9, 17, 18, 150}) {
		t.Errorf("%d inserted, %d quarantined, stored %v", done.Inserted, done.Quarantined, kept)
	}
	load(t, db, c) // a redelivery
	if n := number(t, conn, "SELECT count(*) FROM quarantine WHERE object = 'quarantine/v1/y'"); n != 4 {
		t.Errorf("%d rows in quarantine", n)
	}
	if n := number(t, conn, wrongRollups); n != 0 {
		t.Errorf("%d rollups differ from a recount", n)
	}
}

func TestADatabaseThatRejectsEverythingQuarantinesNothing(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	c := chunk(rows(50, func(i int, r *warehouse.Row) {
		if i < 11 {
			r.Event.Properties = []byte(`{"n":1e200000}`)
		}
	}))
	c.Keep = func(context.Context, []warehouse.Rejected) (string, error) {
		t.Error("lines were quarantined")
		return "", nil
	}
	if _, err := db.Load(t.Context(), c); err == nil || !strings.Contains(err.Error(), warehouse.ErrTooManyRejected.Error()) {
		t.Errorf("error is %v", err)
	}
	if n := number(t, conn, "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM quarantine)"); n != 0 {
		t.Errorf("%d rows remain", n)
	}
}

func TestFailedQuarantineLoadsNothing(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	c := chunk(rows(10, nil))
	setAside(&c, warehouse.Rejected{Seq: "x"})
	c.Keep = func(context.Context, []warehouse.Rejected) (string, error) { return "", context.DeadlineExceeded }
	if _, err := db.Load(t.Context(), c); err == nil {
		t.Error("no error")
	}
	if n := number(t, conn, "SELECT count(*) FROM events"); n != 0 {
		t.Errorf("%d events were loaded", n)
	}
}

func TestMissingDayIsRequestedAndCreated(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, owner, conn := d.As(t, contract.RoleLoader), d.As(t, contract.RoleOwner), d.Conn(t)
	late := rows(3, func(i int, r *warehouse.Row) { r.Event.Timestamp = noon.AddDate(0, 0, -20*i) })
	if _, err := db.Load(t.Context(), chunk(late)); err == nil {
		t.Fatal("an event without partition was loaded")
	}
	if n := number(t, conn, "SELECT count(*) FROM partition_wanted"); n != 2 {
		t.Fatalf("%d days requested", n)
	}
	made, err := owner.EnsurePartitions(t.Context(), noon, noon.AddDate(0, 0, 2), nil)
	if err != nil || made != 4 {
		t.Fatalf("created %d days, %v", made, err)
	}
	if n := number(t, conn, "SELECT count(*) FROM partition_wanted"); n != 0 {
		t.Errorf("%d days still requested", n)
	}
	if done := load(t, db, chunk(late)); done.Inserted != 3 {
		t.Errorf("%+v", done)
	}
	if days, err := owner.Horizon(t.Context(), noon); err != nil || days != 2 {
		t.Errorf("horizon is %d days, %v", days, err)
	}
}

func TestBelowTheFloorIsExpired(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	if _, err := conn.Exec(t.Context(), "UPDATE events_floor SET floor = $1", noon.Add(5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if done := load(t, db, chunk(rows(10, nil))); done.Expired != 5 || done.Inserted != 5 || done.Duplicates != 0 {
		t.Errorf("%+v", done)
	}
}

func TestDimensionsAreCapped(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	for part := range 3 {
		load(t, db, chunk(rows(60, func(i int, r *warehouse.Row) { r.Event.Type = fmt.Sprintf("type%d", part*60+i) })))
	}
	if n := number(t, conn, "SELECT count(*) FROM dimension"); n != warehouse.MaxDimensions {
		t.Errorf("%d values, want %d", n, warehouse.MaxDimensions)
	}
	if n := number(t, conn, "SELECT sum(n) FROM metric_minute WHERE dimension = '__other__'"); n != 80 {
		t.Errorf("%d events of other types", n)
	}
	if n := number(t, conn, wrongRollups); n != 0 {
		t.Errorf("%d rollups differ from a recount", n)
	}
}

// A schema that rejects every event with a data error is detected with a plain
// event, even for a small chunk.
func TestASchemaThatRejectsIsNotTheEventsFault(t *testing.T) {
	for name, c := range map[string]struct {
		when        string
		quarantined int
	}{
		"everything": {"true", 0},
		"one event":  {"NEW.user_id = 'user1'", 1},
	} {
		t.Run(name, func(t *testing.T) {
			d := shared.Warehouse(t, noon, noon)
			conn := d.Conn(t)
			_, err := conn.Exec(t.Context(), `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF `+c.when+` THEN RAISE EXCEPTION 'refused' USING ERRCODE = '22P02'; END IF; RETURN NEW; END $$;
				CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()`)
			if err != nil {
				t.Fatal(err)
			}
			one := chunk(rows(3, nil))
			kept := 0
			one.Keep = func(_ context.Context, bad []warehouse.Rejected) (string, error) {
				kept = len(bad)
				return "quarantine/v1/z", nil
			}
			done, err := d.As(t, contract.RoleLoader).Load(t.Context(), one)
			if errors.Is(err, warehouse.ErrSchemaRejects) != (c.quarantined == 0) || kept != c.quarantined || done.Quarantined != c.quarantined {
				t.Errorf("%d quarantined, %+v, %v", kept, done, err)
			}
			if n := number(t, conn, "SELECT count(*) FROM events"); n != int64(done.Inserted) {
				t.Errorf("%d events, %d inserted: the plain event was stored", n, done.Inserted)
			}
		})
	}
}

func TestShardsLoadConcurrently(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	conn := d.Conn(t)
	errs := make(chan error)
	const shards, chunks = 10, 5
	for s := range shards {
		db := d.As(t, contract.RoleLoader)
		go func() {
			var err error
			for part := range chunks {
				c := chunk(rows(100, func(i int, r *warehouse.Row) { r.Event.Type = fmt.Sprintf("type%d", (part*31+i*7+s)%90) }))
				c.Shard = fmt.Sprintf("shardId-%012d", s)
				if _, e := db.Load(t.Context(), c); e != nil {
					err = e
				}
			}
			errs <- err
		}()
	}
	for range shards {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := number(t, conn, "SELECT count(*) FROM events"); n != shards*chunks*100 {
		t.Errorf("%d events", n)
	}
	if n := number(t, conn, wrongRollups); n != 0 {
		t.Errorf("%d rollups differ from a recount", n)
	}
}

func TestClosedConnectionIsReopened(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, conn := d.As(t, contract.RoleLoader), d.Conn(t)
	load(t, db, chunk(rows(1, nil)))
	super, err := pgx.Connect(t.Context(), d.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close(t.Context())
	number(t, super, "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1 AND usename = $2", d.Name, contract.RoleLoader)
	load(t, db, chunk(rows(1, nil)))
	if n := number(t, conn, "SELECT count(*) FROM events"); n != 2 {
		t.Errorf("%d events", n)
	}
}

func TestReads(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, reader := d.As(t, contract.RoleLoader), d.As(t, contract.RoleReader)
	load(t, db, chunk(rows(180, nil)))
	got, err := reader.MinuteRows(t.Context(), warehouse.MetricEvents, []time.Time{noon, noon.Add(time.Hour)})
	if err != nil || len(got) != 3 || got[0].Dimension != "buy" || got[0].N != 20 || got[0].Rev != 1 || got[0].Sum != "0" || got[0].Min != "" {
		t.Errorf("rows are %+v, %v", got, err)
	}
	points, err := reader.Series(t.Context(), warehouse.MetricEvents, noon, noon.Add(10*time.Minute), 2*time.Minute)
	if err != nil || len(points) != 6 || points[0].N != 40 || !points[5].At.Equal(noon.Add(2*time.Minute)) || points[5].N != 20 {
		t.Errorf("points are %+v, %v", points, err)
	}
	users, err := reader.CountUsers(t.Context(), noon, noon)
	if err != nil || users["20260131"] != 7 {
		t.Errorf("users are %v, %v", users, err)
	}
	all, err := reader.Changed(t.Context(), "", noon.Add(-time.Hour))
	if err != nil || len(all.Minutes) != 3 || !all.Minutes[0].Equal(noon.Add(2*time.Minute)) {
		t.Errorf("changes are %+v, %v", all, err)
	}
	if _, err := d.Conn(t).Exec(t.Context(), "UPDATE load_batch SET loaded_at = loaded_at - interval '1 hour'"); err != nil {
		t.Fatal(err)
	}
	load(t, db, chunk(rows(1, nil)))
	since, err := reader.Changed(t.Context(), all.Watermark, noon.Add(-time.Hour))
	if err != nil || len(since.Minutes) != 1 || !since.Minutes[0].Equal(noon) {
		t.Errorf("changes since %s are %+v, %v", all.Watermark, since, err)
	}
}

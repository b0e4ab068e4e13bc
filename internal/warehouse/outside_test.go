package warehouse_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// outside is an object, a setting or a privilege that an operator adds.
type outside struct {
	name, add string
	// remove repairs the schema. If empty, the rows of bot are at fault, and
	// are quarantined with a reason that contains reason.
	remove, reason string
	// harmless: everything loads as usual.
	harmless bool
	// dropped: rows disappear without an error, so no limit applies.
	dropped bool
	// late: the object can't be added to a table that contains a bad row.
	late bool
	// pairs: only the second bad row with the same time is at fault.
	pairs bool
	// slow: statements have to be canceled.
	slow bool
}

func trigger(body string) string {
	return `CREATE FUNCTION outside() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + body + ` RETURN NEW; END $$;
		CREATE TRIGGER outside BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION outside()`
}

const dropTrigger = "DROP TRIGGER outside ON events"

// outsides are changes that operators make to their own database.
var outsides = []outside{
	{name: "an index row that is too large", add: "CREATE INDEX events_page ON events ((properties->>'page'))", reason: "54000", late: true},
	{name: "a unique index", add: "CREATE UNIQUE INDEX once ON events ((properties->>'once'), timestamp, event_id); CREATE UNIQUE INDEX bots ON events (timestamp, (CASE WHEN user_id = 'bot' THEN 1 ELSE id END))", reason: "23505", pairs: true},
	{name: "a CHECK", add: "ALTER TABLE events ADD CONSTRAINT people CHECK (user_id <> 'bot') NOT VALID", reason: `23514, constraint "people"`},
	{name: "a CHECK that a plain event violates", add: "ALTER TABLE events ADD CONSTRAINT ours CHECK (user_id LIKE 'user_') NOT VALID", reason: "23514"},
	{name: "NOT NULL without a default", add: "ALTER TABLE events ADD COLUMN must text NOT NULL DEFAULT ''; ALTER TABLE events ALTER COLUMN must DROP DEFAULT", remove: "ALTER TABLE events DROP COLUMN must"},
	{name: "NOT NULL filled by a trigger for people", add: "ALTER TABLE events ADD COLUMN must text NOT NULL DEFAULT ''; ALTER TABLE events ALTER COLUMN must DROP DEFAULT;" +
		trigger("IF NEW.user_id <> 'bot' THEN NEW.must := 'x'; END IF;"), reason: `23502, column "must"`},
	{name: "a trigger that raises", add: trigger("IF NEW.user_id = 'bot' THEN RAISE EXCEPTION 'no bots'; END IF;"), reason: "no bots (SQLSTATE P0001"},
	{name: "a trigger that raises a missing privilege", add: trigger("IF NEW.user_id = 'bot' THEN RAISE insufficient_privilege; END IF;"), reason: "42501"},
	{name: "a trigger that raises a violated check", add: trigger("IF NEW.user_id = 'bot' THEN RAISE check_violation; END IF;"), reason: "23514"},
	{name: "a trigger that raises always", add: trigger("RAISE EXCEPTION 'closed';"), remove: dropTrigger},
	{name: "a trigger with dynamic SQL", add: trigger("IF NEW.user_id = 'bot' THEN EXECUTE 'SELECT absent FROM events'; END IF;"), reason: "42703"},
	{name: "a trigger that divides by zero", add: trigger("PERFORM 1 / (NEW.properties->>'zero')::int;"), reason: "22012"},
	{name: "a generated column that overflows", add: "ALTER TABLE events ADD COLUMN cents int GENERATED ALWAYS AS ((properties->>'cents')::int) STORED", reason: "22003", late: true},
	{name: "a NOTIFY payload that is too long", add: trigger("PERFORM pg_notify('events', NEW.properties::text);"), reason: "22023"},
	{name: "row-level security for a row", add: "ALTER TABLE events ENABLE ROW LEVEL SECURITY; CREATE POLICY people ON events USING (user_id <> 'bot')", reason: "42501"},
	{name: "row-level security that denies", add: "ALTER TABLE events ENABLE ROW LEVEL SECURITY", remove: "ALTER TABLE events DISABLE ROW LEVEL SECURITY"},
	{name: "changed default settings", harmless: true, add: `CREATE SCHEMA reporting; CREATE VIEW reporting.events AS SELECT 1 AS x; GRANT USAGE ON SCHEMA reporting TO PUBLIC;
		DO $$ DECLARE s text; BEGIN
			FOREACH s IN ARRAY ARRAY['search_path = reporting, public', 'default_transaction_read_only = on', 'default_transaction_isolation = serializable', 'exit_on_error = on',
				'TimeZone = ''Pacific/Chatham''', 'DateStyle = ''SQL, DMY''', 'statement_timeout = ''1ms''', 'lock_timeout = ''1ms''', 'array_nulls = off', 'row_security = off',
				'bytea_output = escape', 'IntervalStyle = sql_standard', 'client_encoding = LATIN1', 'standard_conforming_strings = off', 'quote_all_identifiers = on'] LOOP
				EXECUTE format('ALTER DATABASE %I SET ', current_database()) || s;
			END LOOP;
		END $$`},
	{name: "a revoked privilege", add: "REVOKE INSERT ON events FROM streamctl_loader", remove: "GRANT INSERT ON events TO streamctl_loader"},
	{name: "a revoked privilege on rollups", add: "REVOKE UPDATE ON metric_minute FROM streamctl_loader", remove: "GRANT UPDATE ON metric_minute TO streamctl_loader"},
	{name: "a deferred foreign key", add: `CREATE TABLE people (id varchar PRIMARY KEY); INSERT INTO people SELECT 'user' || i FROM generate_series(0, 9) i;
		ALTER TABLE events ADD CONSTRAINT person FOREIGN KEY (user_id) REFERENCES people DEFERRABLE INITIALLY DEFERRED`, reason: `23503, constraint "person"`, late: true},
	{name: "a deferred constraint trigger", add: `CREATE FUNCTION outside() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.user_id = 'bot' THEN RAISE EXCEPTION 'no bots'; END IF; RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER outside AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION outside()`, reason: "no bots"},
	{name: "a trigger that drops", add: trigger("IF NEW.user_id = 'bot' THEN RETURN NULL; END IF;"), reason: "dropped by a database object", dropped: true},
	{name: "a trigger that drops always", add: trigger("RETURN NULL;"), remove: dropTrigger},
	{name: "an AFTER trigger that deletes", add: `CREATE FUNCTION outside() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN DELETE FROM events WHERE event_id = NEW.event_id AND user_id = 'bot'; RETURN NULL; END $$;
		CREATE TRIGGER outside AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION outside()`, reason: "dropped by a database object", dropped: true},
	{name: "a trigger that rewrites", add: trigger("NEW.event_type := 'rewritten'; NEW.user_id := md5(NEW.user_id); NEW.properties := NEW.properties - 'page';"), harmless: true},
	{name: "a trigger that rewrites the time", add: trigger("NEW.timestamp := date_trunc('day', NEW.timestamp);"), remove: dropTrigger},
	{name: "a trigger that changes the session", add: trigger("PERFORM set_config('search_path', 'pg_catalog', false), set_config('TimeZone', 'Asia/Tokyo', false), set_config('default_transaction_read_only', 'on', false), set_config('exit_on_error', 'off', false);"), harmless: true},
	{name: "a rule", add: "CREATE TABLE copies (id uuid); GRANT INSERT ON copies TO PUBLIC; CREATE RULE copy AS ON INSERT TO events DO ALSO INSERT INTO copies VALUES (NEW.event_id)", harmless: true},
	{name: "a rule and row-level security", add: "CREATE RULE nothing AS ON UPDATE TO events DO INSTEAD NOTHING; ALTER TABLE events ENABLE ROW LEVEL SECURITY; CREATE POLICY people ON events USING (user_id <> 'bot')", reason: "42501"},
	{name: "a trigger that is slow for one user", add: trigger("IF NEW.user_id = 'bot' THEN PERFORM pg_sleep(30); END IF;"), reason: "57014", slow: true},
	{name: "an index that fails for a value", add: "CREATE INDEX cents ON events (((properties->>'cents')::int))", reason: "22003", late: true},
}

// bot changes a row so that it violates every one of these objects.
func bot(r *warehouse.Row) {
	r.Event.UserID = "bot"
	r.Event.Timestamp = r.Event.Timestamp.Truncate(time.Hour)
	// No repeated characters, so that it doesn't compress.
	page := strings.Builder{}
	for i := range 1500 {
		fmt.Fprintf(&page, "%04x", i*i*7919%65536)
	}
	r.Event.Properties = fmt.Appendf(nil, `{"page":"%s%s%s","zero":0,"cents":99999999999,"once":"x","kind":"none"}`, page.String(), r.Event.ID, page.String())
}

// cell is one object, added at one moment, with a number of bad rows.
type cell struct {
	outside
	d        *postgres.Database
	db       *warehouse.DB
	conn     *pgx.Conn
	all      []warehouse.Row
	bots     int
	declared metric.Definition
	bad      map[string]string // reasons by sequence number
}

func newCell(t *testing.T, o outside) *cell {
	t.Helper()
	c := &cell{outside: o, d: shared.Warehouse(t, noon, noon), bad: map[string]string{}}
	c.db, c.conn = c.d.As(t, contract.RoleLoader), c.d.Conn(t)
	c.db.IsolateFast()
	c.declared = metric.Definition{Name: "pages", EventType: "view", By: []string{"properties.page"}}
	c.asOwner(t, func(owner *warehouse.DB) error { return owner.SetMetrics(t.Context(), []metric.Definition{c.declared}) })
	// An hour of ordinary events, and one event of a bot from before the object
	// was added.
	bots := 1
	if o.late {
		bots = 0
	}
	c.send(rows(30, nil), bots)
	c.bots = 0
	if _, err := c.load(t, false); err != nil {
		t.Fatal(err)
	}
	return c
}

// asOwner runs work on a connection of the owner, whose connections are
// limited.
func (c *cell) asOwner(t *testing.T, work func(*warehouse.DB) error) {
	t.Helper()
	owners <- struct{}{}
	defer func() { <-owners }()
	owner := warehouse.NewURL(c.d.URL(contract.RoleOwner))
	if err := errors.Join(work(owner), owner.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

// owners limits the owner's connections.
var owners = make(chan struct{}, 3)

// send appends rows to the stream and makes the first of these rows bad.
func (c *cell) send(more []warehouse.Row, bots int) {
	every := len(more) / max(bots, 1)
	for i := range more {
		n := len(c.all)
		more[i].Record, more[i].Seq = n, fmt.Sprintf("%06d", n)
		if i%every == 0 && bots > 0 {
			bot(&more[i])
			bots--
			c.bots++
		}
		c.all = append(c.all, more[i])
	}
}

// load delivers all records of the shard again, as after a crash.
func (c *cell) load(t *testing.T, rejectAll bool) (warehouse.Loaded, error) {
	ch := chunk(c.all)
	ch.RejectAll = rejectAll
	ch.Measure = func(event.Event) ([]metric.Contribution, error) { return nil, nil }
	ch.Keep = func(_ context.Context, bad []warehouse.Rejected) (string, error) {
		for _, b := range bad {
			c.bad[b.Seq] = b.Reason
		}
		return "quarantine/v1/x", nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if c.slow {
		go c.cancelSleepers(ctx)
	}
	return c.db.Load(ctx, ch)
}

// cancelSleepers cancels statements immediately that the server would cancel
// after 40 seconds.
func (c *cell) cancelSleepers(ctx context.Context) {
	conn, err := pgx.Connect(ctx, c.d.URL("postgres"))
	if err != nil {
		return
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for err == nil && pause.For(ctx, 100*time.Millisecond) == nil {
		_, err = conn.Exec(ctx, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep' AND query_start < clock_timestamp() - interval '300 ms'", c.d.Name)
	}
}

func (c *cell) exec(t *testing.T, sql string) {
	t.Helper()
	if sql == "" {
		return
	}
	if _, err := c.conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// deliver loads until all rows are loaded, and checks the number of tries.
func (c *cell) deliver(t *testing.T) {
	t.Helper()
	var errs []error
	repaired, late := false, false
	for try := 1; ; try++ {
		_, err := c.load(t, late)
		if err == nil {
			break
		}
		errs = append(errs, err)
		var state interface{ SQLState() string }
		switch {
		case c.remove != "" && !repaired:
			if errors.Is(err, warehouse.ErrTooManyRejected) && !late {
				late = true // accepted once the chunk is old
				continue
			}
			if len(c.bad) > 0 {
				t.Fatalf("the schema is at fault, but %d rows were quarantined", len(c.bad))
			}
			c.exec(t, c.remove)
			repaired = true
		case errors.Is(err, warehouse.ErrTooManyRejected) && !late && c.bots > 10:
			late = true
		case c.slow && try < 12:
			if errors.As(err, &state) && state.SQLState() != "57014" {
				t.Fatal(err)
			}
		default:
			t.Fatalf("try %d: %v", try, errors.Join(errs...))
		}
	}
	if c.remove != "" && !repaired {
		t.Errorf("it loads despite %s", c.name)
	}
	_, err := c.load(t, late)
	for range 12 {
		if err != nil && c.slow {
			_, err = c.load(t, late)
		}
	}
	if err != nil {
		t.Errorf("a redelivery: %v", err)
	}
}

// check counts the stored and the quarantined rows.
func (c *cell) check(t *testing.T) {
	t.Helper()
	want := 0
	if c.reason != "" {
		want = c.bots
	}
	if len(c.bad) != want {
		t.Errorf("%d rows were quarantined, want %d", len(c.bad), want)
	}
	for seq, reason := range c.bad {
		i := slices.IndexFunc(c.all, func(r warehouse.Row) bool { return r.Seq == seq })
		if c.all[i].Event.UserID != "bot" || !strings.Contains(reason, c.reason) {
			t.Errorf("row %s of %s: %s; want a reason with %s", seq, c.all[i].Event.UserID, reason, c.reason)
			break
		}
	}
	super, err := pgx.Connect(t.Context(), c.d.URL("postgres")+"&search_path=public&timezone=UTC&exit_on_error=off&statement_timeout=0")
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close(context.WithoutCancel(t.Context()))
	if n := number(t, super, "SELECT count(*) FROM events"); n != int64(len(c.all)-want) {
		t.Errorf("%d of %d events are stored", n, len(c.all)-want)
	}
	if n := number(t, super, wrongRollups); n != 0 {
		t.Errorf("%d rollups differ from a recount", n)
	}
	key := c.declared.Key()
	if n := number(t, super, `SELECT count(*) FROM (
			SELECT bucket, sum(n) AS n FROM metric_minute WHERE metric IN ($1, $2) GROUP BY 1 HAVING sum(n) > 0) r
		FULL JOIN (SELECT date_trunc('minute', timestamp) AS bucket, count(*) AS n FROM events WHERE event_type = 'view' GROUP BY 1) c
		USING (bucket) WHERE r.n IS DISTINCT FROM c.n AND bucket >= (SELECT since FROM metric WHERE key = $1)`, key, metric.SkippedKey(key)); n != 0 {
		t.Errorf("%d declared rollups differ from a recount", n)
	}
	c.reconcile(t)
}

// reconcile compares with an archive that contains every line.
func (c *cell) reconcile(t *testing.T) {
	t.Helper()
	hour := noon.Truncate(time.Hour)
	lines := make([]warehouse.ArchivedLine, len(c.all))
	for i, r := range c.all {
		lines[i] = warehouse.ArchivedLine{Shard: chunk(nil).Shard, Seq: r.Seq, ID: r.Event.ID, Timestamp: r.Event.Timestamp}
	}
	c.asOwner(t, func(owner *warehouse.DB) error {
		if err := owner.CompareObject(t.Context(), hour, "x", lines); err != nil {
			return err
		}
		h, err := owner.CloseHour(t.Context(), hour, []string{"x"})
		if !h.Clean() {
			t.Errorf("the hour is %+v", h)
		}
		return err
	})
}

// TestOutsideObjects adds each object before a load, during a load and before a
// new day, with 1, 11 of 40, and all 500 bad rows of a chunk.
func TestOutsideObjects(t *testing.T) {
	shared.Warehouse(t, noon, noon) // create the roles once for all databases
	t.Parallel()
	for _, o := range outsides {
		for _, n := range []struct{ bots, of int }{{1, 20}, {11, 40}, {500, 500}} {
			t.Run(fmt.Sprintf("%s/before, %d of %d", o.name, n.bots, n.of), func(t *testing.T) {
				t.Parallel()
				c := newCell(t, o)
				c.exec(t, o.add)
				c.send(rows(n.of, func(i int, r *warehouse.Row) { r.Event.Timestamp = noon.Add(time.Duration(i%3000) * time.Second) }), n.bots)
				c.deliver(t)
				c.check(t)
			})
		}
		t.Run(o.name+"/on a new day", func(t *testing.T) {
			t.Parallel()
			c := newCell(t, o)
			c.exec(t, o.add)
			tomorrow := noon.AddDate(0, 0, 1)
			bots := 1
			if o.pairs {
				bots = 2
			}
			c.send(rows(20, func(i int, r *warehouse.Row) { r.Event.Timestamp = tomorrow.Add(time.Duration(i) * time.Second) }), bots)
			c.bots = 1
			var err error
			if !o.slow {
				_, err = c.load(t, false)
			}
			if n := number(t, c.conn, "SELECT count(*) FROM partition_wanted"); n == 0 && o.remove == "" && !o.slow && o.name != "a trigger that drops" {
				t.Errorf("no partition is requested: %v", err)
			}
			c.asOwner(t, func(owner *warehouse.DB) error {
				_, err := owner.EnsurePartitions(t.Context(), noon, tomorrow, pause.For)
				return err
			})
			c.deliver(t)
			c.check(t)
		})
		t.Run(o.name+"/in the middle of a chunk", func(t *testing.T) {
			t.Parallel()
			c := newCell(t, o)
			c.send(rows(20, nil), 0)
			c.middle(t)
			c.send(rows(20, nil), 1)
			c.deliver(t)
			c.check(t)
		})
	}
}

// middle adds the object while a chunk is loaded: it takes effect immediately,
// or waits for the end of the load.
func (c *cell) middle(t *testing.T) {
	t.Helper()
	ch := chunk(c.all)
	decode, added := ch.Decode, make(chan error, 1)
	ch.Decode = func(i int) ([]warehouse.Row, []warehouse.Rejected) {
		if i == len(c.all)/2 {
			go func() {
				_, err := c.conn.Exec(t.Context(), c.add)
				added <- err
			}()
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			select { // a setting or a privilege takes effect immediately
			case err := <-added:
				added <- err
			case <-ctx.Done():
			}
		}
		return decode(i)
	}
	ch.Keep = func(_ context.Context, bad []warehouse.Rejected) (string, error) {
		t.Errorf("%d rows were quarantined", len(bad))
		return "x", nil
	}
	if _, err := c.db.Load(t.Context(), ch); err != nil && c.remove == "" {
		t.Errorf("the load during the change: %v", err)
	}
	if err := <-added; err != nil {
		t.Fatal(err)
	}
}

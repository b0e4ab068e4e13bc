package warehouse_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func execute(t *testing.T, d *postgres.Database, user string, statements ...string) {
	t.Helper()
	url := d.MasterURL()
	if user != postgres.Master {
		url = d.URL(user)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// TestNewDaysComeWithOperatorsObjects creates a partition after an operator
// added columns, constraints, indexes and triggers to events.
func TestNewDaysComeWithOperatorsObjects(t *testing.T) {
	for name, sql := range map[string]string{
		"a generated column":  "ALTER TABLE events ADD COLUMN country text GENERATED ALWAYS AS (properties->>'country') STORED",
		"a column of a type":  "CREATE TYPE mood AS ENUM ('ok'); ALTER TABLE events ADD COLUMN mood mood DEFAULT 'ok'",
		"a domain":            "CREATE DOMAIN short AS text CHECK (length(value) < 9); ALTER TABLE events ADD COLUMN note short",
		"a foreign key":       "CREATE TABLE types (name varchar PRIMARY KEY); INSERT INTO types VALUES ('view'), ('click'), ('buy'); ALTER TABLE events ADD FOREIGN KEY (event_type) REFERENCES types",
		"a unique index":      "CREATE UNIQUE INDEX ON events (user_id, timestamp, event_id)",
		"an expression index": "CREATE INDEX ON events ((properties->>'page'))",
		"a trigger":           trigger(""),
		"compression":         "ALTER TABLE events ALTER COLUMN properties SET STORAGE EXTERNAL",
		"a comment":           "COMMENT ON COLUMN events.user_id IS 'who'",
		"a privilege":         "GRANT SELECT ON events TO PUBLIC",
		"a check":             "ALTER TABLE events ADD CONSTRAINT c CHECK (event_type <> 'x') NOT VALID",
	} {
		t.Run(name, func(t *testing.T) {
			d := shared.Warehouse(t, noon, noon)
			execute(t, d, postgres.Master, sql)
			tomorrow := noon.AddDate(0, 0, 1)
			if made, err := d.As(t, contract.RoleOwner).EnsurePartitions(t.Context(), noon, tomorrow, pause.For); err != nil || made != 1 {
				t.Fatalf("created %d days, %v", made, err)
			}
			done := load(t, d.As(t, contract.RoleLoader), chunk(rows(20, func(_ int, r *warehouse.Row) { r.Event.Timestamp = tomorrow })))
			if done.Inserted != 20 {
				t.Errorf("%+v", done)
			}
		})
	}
}

// TestADayThatCannotBeMadeNamesTheObject checks that the error contains the
// object and the remedy, and that other days are created.
func TestADayThatCannotBeMadeNamesTheObject(t *testing.T) {
	for name, c := range map[string]struct {
		sql, want string
	}{
		"a trigger whose function is not executable": {
			"CREATE SCHEMA audit; GRANT USAGE ON SCHEMA audit TO PUBLIC; CREATE FUNCTION audit.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;" +
				"REVOKE EXECUTE ON FUNCTION audit.note() FROM PUBLIC; GRANT streamctl_tables TO CURRENT_USER; CREATE TRIGGER note BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION audit.note()",
			"GRANT EXECUTE ON FUNCTION audit.note() TO streamctl_tables",
		},
		"a table of that name": {"CREATE TABLE events_20260201 (LIKE events)", "relation public.events_20260201 exists and is not a partition of events"},
		"a view of that name":  {"CREATE VIEW events_20260201 AS SELECT 1", "ALTER TABLE public.events_20260201 RENAME TO"},
	} {
		t.Run(name, func(t *testing.T) {
			d := shared.Warehouse(t, noon, noon)
			execute(t, d, postgres.Master, c.sql)
			made, err := d.As(t, contract.RoleOwner).EnsurePartitions(t.Context(), noon, noon.AddDate(0, 0, 2), func(context.Context, time.Duration) error { return nil })
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "create partition of 2026-02-01") {
				t.Errorf("%v; want %s", err, c.want)
			}
			if strings.HasPrefix(name, "a trigger") {
				execute(t, d, postgres.Master, c.want)
				made, err = d.As(t, contract.RoleOwner).EnsurePartitions(t.Context(), noon, noon.AddDate(0, 0, 2), pause.For)
				if err != nil || made != 2 {
					t.Errorf("after the GRANT: %d days, %v", made, err)
				}
			} else if made != 1 {
				t.Errorf("%d other days were created", made)
			}
			if left := number(t, d.Conn(t), "SELECT count(*) FROM pg_class WHERE relname = 'events_20260201' AND NOT relispartition AND relowner = 'streamctl_tables'::regrole"); left != 0 {
				t.Error("a part of the day remains")
			}
		})
	}
}

// TestAnOperatorsPartitions accepts an operator's partition for a whole month
// and a default partition.
func TestAnOperatorsPartitions(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db, owner, conn := d.As(t, contract.RoleLoader), d.As(t, contract.RoleOwner), d.Conn(t)
	execute(t, d, postgres.Master, "CREATE TABLE march PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00')")
	march := time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC)
	if made, err := owner.EnsurePartitions(t.Context(), march, march.AddDate(0, 0, 3), pause.For); err != nil || made != 0 {
		t.Errorf("created %d days of a month that has a partition, %v", made, err)
	}
	at := func(when time.Time) []warehouse.Row {
		return rows(20, func(_ int, r *warehouse.Row) { r.Event.Timestamp = when })
	}
	if done := load(t, db, chunk(at(march))); done.Inserted != 20 {
		t.Errorf("%+v", done)
	}
	// With a default partition no day is missing: a violated CHECK is caused by
	// the row.
	execute(t, d, postgres.Master, "CREATE TABLE rest PARTITION OF events DEFAULT", "ALTER TABLE events ADD CONSTRAINT people CHECK (user_id <> 'bot') NOT VALID")
	far := at(march.AddDate(0, 3, 0))
	bot(&far[3])
	if done := load(t, db, chunk(far)); done.Inserted != 19 || done.Quarantined != 1 {
		t.Errorf("%+v", done)
	}
	if n := number(t, conn, "SELECT count(*) FROM partition_wanted"); n != 0 {
		t.Errorf("%d days are requested", n)
	}
}

// TestPublicationForAllTables checks that the tables can still be changed.
func TestPublicationForAllTables(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	owner, conn := d.As(t, contract.RoleOwner), d.Conn(t)
	execute(t, d, "postgres", "CREATE PUBLICATION everything FOR ALL TABLES")
	load(t, d.As(t, contract.RoleLoader), chunk(rows(20, nil)))
	execute(t, d, postgres.Master, "UPDATE load_batch SET loaded_at = loaded_at - interval '1 year'")
	if err := owner.ForgetBatches(t.Context()); err != nil {
		t.Error(err)
	}
	if n := number(t, conn, "SELECT count(*) FROM load_batch"); n != 0 {
		t.Errorf("%d batches remain", n)
	}
	if n := number(t, conn, `SELECT count(*) FROM pg_class c WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
		AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary)`); n != 0 {
		t.Errorf("%d tables have no primary key", n)
	}
}

// TestRetentionNamesWhatDependsOnADay keeps the day attached until the
// dependent object is dropped.
func TestRetentionNamesWhatDependsOnADay(t *testing.T) {
	for name, c := range map[string]struct{ add, remove string }{
		"a view":              {"CREATE VIEW old AS SELECT * FROM events_20260131", "DROP VIEW old"},
		"a materialized view": {"CREATE MATERIALIZED VIEW old AS SELECT user_id FROM events_20260131", "DROP MATERIALIZED VIEW old"},
		"a foreign key":       {"CREATE TABLE old (id uuid, at timestamptz, FOREIGN KEY (id, at) REFERENCES events_20260131)", "DROP TABLE old"},
	} {
		t.Run(name, func(t *testing.T) {
			d := shared.Warehouse(t, noon, noon.AddDate(0, 0, 1))
			owner, conn := d.As(t, contract.RoleOwner), d.Conn(t)
			execute(t, d, postgres.Master, c.add, "CREATE VIEW everything AS SELECT * FROM events")
			done, err := owner.DropDays(t.Context(), noon.AddDate(0, 0, 1), pause.For)
			if err == nil || !strings.Contains(err.Error(), "old depends on events_20260131") || len(done.Dropped) != 0 {
				t.Errorf("%+v, %v", done, err)
			}
			if n := number(t, conn, "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'events_20260131'::regclass AND NOT inhdetachpending"); n != 1 {
				t.Error("the day was detached")
			}
			execute(t, d, postgres.Master, c.remove)
			if done, err := owner.DropDays(t.Context(), noon.AddDate(0, 0, 1), pause.For); err != nil || len(done.Dropped) != 1 {
				t.Errorf("without it: %+v, %v", done, err)
			}
		})
	}
}

// TestForcedRowSecurityStopsRecounts has policies that hide rows even from the
// owner: a recount or retention that sees only some of the rows must fail.
func TestForcedRowSecurityStopsRecounts(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	load(t, d.As(t, contract.RoleLoader), chunk(rows(20, nil)))
	execute(t, d, postgres.Master, "ALTER TABLE events ENABLE ROW LEVEL SECURITY", "ALTER TABLE events FORCE ROW LEVEL SECURITY")
	err := d.As(t, contract.RoleOwner).RebuildRollups(t.Context(), noon, noon.Add(time.Hour), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("a recount: %v", err)
	}
	if done, err := d.As(t, contract.RoleOwner).DropDays(t.Context(), noon.AddDate(0, 0, 1), pause.For); len(done.Dropped) != 0 {
		t.Errorf("retention: %+v, %v", done, err)
	}
}

// TestASessionEndsWithItsFailure repairs a failure's cause without a restart,
// whatever the session has cached.
func TestASessionEndsWithItsFailure(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db := d.As(t, contract.RoleLoader)
	super, err := pgx.Connect(t.Context(), d.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close(context.WithoutCancel(t.Context()))
	session := func() int64 {
		return number(t, super, "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE datname = $1 AND usename = $2", d.Name, contract.RoleLoader)
	}
	load(t, db, chunk(rows(5, nil)))
	first := session()
	load(t, db, chunk(rows(5, nil)))
	if again := session(); again != first || first == 0 {
		t.Errorf("sessions are %d and %d: a successful load keeps the session", first, again)
	}
	execute(t, d, postgres.Master, "REVOKE INSERT ON load_batch FROM streamctl_loader")
	if _, err := db.Load(t.Context(), chunk(rows(5, nil))); err == nil {
		t.Error("no error")
	}
	waitsFor(t, super, "SELECT 1 - count(*) FROM pg_stat_activity WHERE pid = "+strconv.FormatInt(first, 10))
	execute(t, d, postgres.Master, "GRANT INSERT ON load_batch TO streamctl_loader")
	load(t, db, chunk(rows(5, nil)))
	if n := number(t, super, "SELECT count(*) FROM events"); n != 15 {
		t.Errorf("%d events", n)
	}
}

// TestAFailedLoadIsNotRepeated kills the session in the middle of a load: one
// call processes a chunk once.
func TestAFailedLoadIsNotRepeated(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	db := d.As(t, contract.RoleLoader)
	load(t, db, chunk(rows(5, nil)))
	super, err := pgx.Connect(t.Context(), d.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close(context.WithoutCancel(t.Context()))
	c, decoded := chunk(rows(5, nil)), 0
	decode := c.Decode
	c.Decode = func(i int) ([]warehouse.Row, []warehouse.Rejected) {
		if decoded++; i == 2 {
			number(t, super, "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = $1 AND usename = $2", d.Name, contract.RoleLoader)
		}
		return decode(i)
	}
	if _, err := db.Load(t.Context(), c); err == nil || decoded > 5 {
		t.Errorf("%d records were decoded, %v", decoded, err)
	}
}

// TestReadsIgnoreTheDatabasesDefaults runs the reads of queries while an
// operator's search_path finds views of the same names first.
func TestReadsIgnoreTheDatabasesDefaults(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	load(t, d.As(t, contract.RoleLoader), chunk(rows(20, nil)))
	execute(t, d, postgres.Master, "CREATE SCHEMA reporting", "GRANT USAGE ON SCHEMA reporting TO PUBLIC", "CREATE VIEW reporting.events AS SELECT 1 AS x",
		"CREATE VIEW reporting.metric_minute AS SELECT 1 AS x", "ALTER DATABASE "+d.Name+" SET search_path = reporting, public",
		"ALTER DATABASE "+d.Name+" SET statement_timeout = '1ms'", "ALTER DATABASE "+d.Name+" SET default_transaction_read_only = on")
	reader := d.As(t, contract.RoleReader)
	if users, err := reader.CountUsers(t.Context(), noon, noon); err != nil || users["20260131"] != 7 {
		t.Errorf("users are %v, %v", users, err)
	}
	if got, err := reader.MinuteRows(t.Context(), warehouse.MetricEvents, []time.Time{noon}); err != nil || len(got) != 3 {
		t.Errorf("rows are %v, %v", got, err)
	}
	owner := d.As(t, contract.RoleOwner)
	if _, err := owner.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
	if err := owner.RebuildRollups(t.Context(), noon, noon.Add(time.Hour), nil, nil); err != nil {
		t.Error(err)
	}
}

package jobs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/dirbucket"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// causes are objects of an operator that reject the events of the users
// user-7 and user-70 to user-79, and how to remove them.
var causes = []struct{ name, make, remove string }{
	{"check", "ALTER TABLE events ADD CONSTRAINT people CHECK (user_id !~ '^user-7[0-9]?$') NOT VALID", "ALTER TABLE events DROP CONSTRAINT people"},
	{
		"foreign key", `CREATE TABLE people (id varchar PRIMARY KEY); INSERT INTO people SELECT 'user-' || n FROM generate_series(0, 2999) n WHERE n::text !~ '^7[0-9]?$';
			GRANT SELECT ON people TO streamctl_loader; ALTER TABLE people OWNER TO streamctl_tables;
			ALTER TABLE events ADD CONSTRAINT known FOREIGN KEY (user_id) REFERENCES people (id)`,
		"ALTER TABLE events DROP CONSTRAINT known; DROP TABLE people",
	},
	{
		"deferred foreign key", `CREATE TABLE people (id varchar PRIMARY KEY); INSERT INTO people SELECT 'user-' || n FROM generate_series(0, 2999) n WHERE n::text !~ '^7[0-9]?$';
			GRANT SELECT ON people TO streamctl_loader; ALTER TABLE people OWNER TO streamctl_tables;
			ALTER TABLE events ADD CONSTRAINT known FOREIGN KEY (user_id) REFERENCES people (id) DEFERRABLE INITIALLY DEFERRED`,
		"ALTER TABLE events DROP CONSTRAINT known; DROP TABLE people",
	},
	{
		"trigger that raises", `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.user_id ~ '^user-7[0-9]?$' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$;
			CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()`,
		"DROP TRIGGER refuse ON events; DROP FUNCTION refuse",
	},
	{
		"deferred constraint trigger", `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.user_id ~ '^user-7[0-9]?$' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NULL; END $$;
			CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
		"DROP TRIGGER refuse ON events; DROP FUNCTION refuse",
	},
	{
		"trigger that drops", `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF NEW.user_id ~ '^user-7[0-9]?$' THEN RETURN NULL; END IF; RETURN NEW; END $$;
			CREATE TRIGGER refuse BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse()`,
		"DROP TRIGGER refuse ON events; DROP FUNCTION refuse",
	},
	{
		"row-level security", `ALTER TABLE events ENABLE ROW LEVEL SECURITY;
			CREATE POLICY seen ON events FOR SELECT USING (true);
			CREATE POLICY people ON events FOR INSERT WITH CHECK (user_id !~ '^user-7[0-9]?$')`,
		"DROP POLICY people ON events; DROP POLICY seen ON events; ALTER TABLE events DISABLE ROW LEVEL SECURITY",
	},
	{"not null in a generated column", `ALTER TABLE events ADD COLUMN tidy text GENERATED ALWAYS AS (CASE WHEN user_id !~ '^user-7[0-9]?$' THEN 'x' END) STORED;
			ALTER TABLE events ADD CONSTRAINT tidy CHECK (tidy IS NOT NULL) NOT VALID`, "ALTER TABLE events DROP CONSTRAINT tidy; ALTER TABLE events DROP COLUMN tidy"},
	{"generated column that fails", `ALTER TABLE events ADD COLUMN share int GENERATED ALWAYS AS (CASE WHEN user_id ~ '^user-7[0-9]?$' THEN 1 / (length(user_id) - length(user_id)) END) STORED`,
		"ALTER TABLE events DROP COLUMN share"},
	{"unique index", `CREATE UNIQUE INDEX once ON events (timestamp, (CASE WHEN user_id ~ '^user-7[0-9]?$' THEN 'twice' ELSE event_id::text END));
			INSERT INTO events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at, source)
			SELECT gen_random_uuid(), 'user-7', 'taken', t, '{}', t, t, 'elsewhere' FROM taken, unnest(times) t`, "DROP INDEX once; DELETE FROM events WHERE event_type = 'taken'"},
	{"domain and text size", `CREATE DOMAIN short AS text CHECK (VALUE !~ '^user-7[0-9]?$'); GRANT USAGE ON TYPE short TO streamctl_loader, streamctl_tables;
			ALTER TABLE events ADD COLUMN brief short GENERATED ALWAYS AS (user_id::text) STORED`, "ALTER TABLE events DROP COLUMN brief; DROP DOMAIN short"},
}

// rejected reports whether the causes reject a user.
func isRejected(user string) bool {
	n := strings.TrimPrefix(user, "user-")
	return n[0] == '7' && len(n) <= 2
}

// TestQuarantineRetry has each cause reject events of the stream, in an hour
// that also lacks another line. After the cause is removed, a retry loads each
// event exactly once. The ledger is clean after the other line is replayed.
func TestQuarantineRetry(t *testing.T) {
	w := newWorld(t)
	hour := w.to.Add(-3 * time.Hour)
	w.from, w.to = hour, hour.Add(time.Hour)
	w.exec(t, "CREATE TABLE taken (times timestamptz[]); INSERT INTO taken VALUES ('{}')")
	for i, cause := range causes {
		t.Run(cause.name, func(t *testing.T) {
			w.empty(t)
			w.Bucket = t.TempDir()
			shards := w.generate(2000, 1_000_000*(i+1), rand.New(rand.NewPCG(7, uint64(i))))
			store(t, w.Bucket, shards)
			var lost archive.ArchivedRecord // never loaded, in another object than most
			bad := w.mark(t, shards)
			w.exec(t, cause.make)
			db := w.as(t, contract.RoleLoader)
			for shard, records := range shards {
				for _, c := range chunk.Cut(records, 400) {
					if shard == "shardId-000000000000" && lost.Sequence == "" {
						lost = records[0]
						continue
					}
					c.RejectAll, c.Keep = true, w.keep(c)
					if _, err := db.Load(t.Context(), c.Chunk); err != nil {
						t.Fatal(err)
					}
				}
			}
			w.settle(t)
			h, end := w.open(metrics{})
			defer func() { _ = end(context.WithoutCancel(t.Context())) }()
			reconcile := contract.MaintenanceTask{Task: contract.TaskReconcile, Action: contract.ActionRun, JobParameters: contract.JobParameters{From: w.from, To: w.to}}
			if j := finish(t, h, reconcile); j.Counts[contract.CountDiffering] != 1 {
				t.Errorf("an hour without a line: %+v", j)
			}
			waiting := w.text(t, "SELECT count(*)::text FROM quarantine")
			if waiting == "0" || len(bad) == 0 {
				t.Fatalf("%s of %d events are in quarantine", waiting, len(bad))
			}
			retry := contract.MaintenanceTask{Task: contract.TaskQuarantine, Action: contract.ActionRun}
			if j := finish(t, h, retry); fmt.Sprint(j.Counts[contract.CountRejected]) != waiting || j.Counts[contract.CountInserted] != 0 {
				t.Errorf("a retry before the cause is removed: %+v, %s wait", j, waiting)
			}
			w.exec(t, cause.remove)
			first := finish(t, h, retry)
			if fmt.Sprint(first.Counts[contract.CountInserted]) != waiting || first.Counts[contract.CountRejected] != 0 {
				t.Errorf("the retry: %+v, %s waited", first, waiting)
			}
			if again := finish(t, h, retry); again.Done != 0 || again.Counts[contract.CountInserted] != 0 {
				t.Errorf("a second retry: %+v", again)
			}
			if n := w.text(t, "SELECT count(*)::text FROM quarantine WHERE retried_at IS NULL"); n != "0" {
				t.Errorf("%s lines are left", n)
			}
			finish(t, h, reconcile)
			if got := w.text(t, "SELECT (missing > 0) || ' ' || unarchived FROM reconciled_hour WHERE hour = '"+w.from.Format(time.RFC3339)+"'"); got != "true 0" {
				t.Errorf("missing and unarchived after the retry: %s", got)
			}
			finish(t, h, w.replay())
			finish(t, h, reconcile)
			if got := w.text(t, "SELECT missing || ' ' || unarchived || ' ' || lines FROM reconciled_hour WHERE hour = '"+w.from.Format(time.RFC3339)+"'"); got != "0 0 2000" {
				t.Errorf("missing, unarchived and lines at the end: %s", got)
			}
			if n := w.text(t, "SELECT count(*)::text FROM events"); n != "2000" {
				t.Errorf("%s events", n)
			}
			w.recount(t)
		})
	}
}

// mark returns the events that the causes reject, and records their times for
// the unique index.
func (w *world) mark(t *testing.T, shards map[string][]archive.ArchivedRecord) (bad []string) {
	t.Helper()
	var times []string
	for _, records := range shards {
		for _, c := range chunk.Cut(records, warehouse.MaxChunk) {
			for i := range c.Records {
				rows, _ := c.Decode(i)
				for _, r := range rows {
					if isRejected(r.Event.UserID) {
						bad, times = append(bad, r.Event.ID.String()), append(times, `"`+r.Event.Timestamp.Format(time.RFC3339Nano)+`"`)
					}
				}
			}
		}
	}
	slices.Sort(times)
	w.exec(t, "UPDATE taken SET times = '{"+strings.Join(slices.Compact(times), ",")+"}'")
	return bad
}

// keep writes rejected lines like the processor.
func (w *world) keep(c *chunk.Chunk) func(context.Context, []warehouse.Rejected) (string, error) {
	return func(ctx context.Context, bad []warehouse.Rejected) (string, error) {
		lines := make([]archive.Line, len(bad))
		for i, b := range bad {
			lines[i] = c.Line(b)
		}
		key, body, err := archive.Quarantine(lines)
		if err != nil {
			return "", err
		}
		return key, dirbucket.Bucket{Dir: w.Bucket, Volatile: true}.Put(ctx, key, body)
	}
}

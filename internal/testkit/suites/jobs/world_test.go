// Package jobs_test runs the jobs of operators on real stores: interrupted at
// random points, beside the stream and beside each other.
package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	redisclient "github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/local/dirbucket"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// size is the number of archived events: STREAMCTL_REPLAY_EVENTS, 20,000 by
// default, 200,000 for the full size.
func size(t testing.TB) int { return setting(t, "STREAMCTL_REPLAY_EVENTS", 20_000) }

func setting(t testing.TB, name string, value int) int {
	t.Helper()
	if text := os.Getenv(name); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	return value
}

// place has the addresses of the stores; a child process gets it as JSON.
type place struct {
	Owner, Loader, Redis, Bucket string
}

// metrics collects the names of emitted metrics.
type metrics map[string]float64

func (m metrics) Emit(_ context.Context, all ...emf.Metric) {
	for _, one := range all {
		m[one.Name] = one.Value
	}
}

// open returns a maintenance function with connections of its own.
func (p place) open(m metrics) (h *maintenance.Handler, end func(context.Context) error) {
	owner, loader := warehouse.NewURL(p.Owner), warehouse.NewURL(p.Loader)
	client := redisclient.NewClient(&redisclient.Options{Addr: p.Redis})
	stored := dirbucket.Bucket{Dir: p.Bucket, Volatile: true}
	reader := archive.Reader{API: stored, Bucket: "b"}
	h = maintenance.New(contract.Maintenance{EventMaxAgeDays: 3, StreamFormats: event.Formats()}, maintenance.Deps{
		Warehouse: maintenance.On(owner), Loader: loader, Cache: cache.New(client, time.Now), Archive: reader, Kept: reader,
		Objects: archive.Writer{API: stored, Bucket: "b"},
		Other: func(name string) (maintenance.Archive, error) {
			return archive.Reader{API: dirbucket.Bucket{Dir: p.Bucket + "-" + name}, Bucket: name}, nil
		},
		Metrics: m, Log: slog.New(slog.DiscardHandler),
	})
	return h, func(ctx context.Context) error {
		return errors.Join(owner.Close(ctx), loader.Close(ctx), client.Close())
	}
}

// world is a PostgreSQL that can be crashed, a Redis and an archive.
type world struct {
	place
	options  pgserver.Options
	pg       *pgserver.Server
	redis    *redisclient.Client
	from, to time.Time // of the arrivals
	events   int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "streamctl-jobs-")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Hour)
	w := &world{options: postgres.Options(dir), from: now.Add(-29 * time.Hour), to: now.Add(-2 * time.Hour)}
	if w.pg, err = pgserver.Start(t.Context(), w.options); err != nil {
		t.Fatal(err)
	}
	w.options.Port = w.pg.Port
	t.Cleanup(func() {
		if err := errors.Join(w.pg.Stop(context.WithoutCancel(t.Context())), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	server := redis.Start(t)
	w.redis = redis.Client(t, server)
	w.place = place{Owner: w.pg.URL(contract.RoleOwner, contract.DatabaseName), Loader: w.pg.URL(contract.RoleLoader, contract.DatabaseName), Redis: server.Addr, Bucket: t.TempDir()}
	if err := w.pg.CreateRDS(t.Context(), postgres.Master, postgres.MasterPassword, contract.DatabaseName); err != nil {
		t.Fatal(err)
	}
	master := warehouse.NewURL((&postgres.Server{Server: w.pg}).MasterURL(contract.DatabaseName))
	if err := errors.Join(master.EnsureRoles(t.Context()), master.Close(t.Context()), w.pg.AdmitRoles(t.Context())); err != nil {
		t.Fatal(err)
	}
	owner := w.as(t, contract.RoleOwner)
	if _, err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.EnsurePartitions(t.Context(), w.from.Add(-time.Minute), now.AddDate(0, 0, 1), pause.For); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) as(t testing.TB, role string) *warehouse.DB {
	t.Helper()
	db := warehouse.NewURL(w.pg.URL(role, contract.DatabaseName))
	t.Cleanup(func() { _ = db.Close(context.WithoutCancel(t.Context())) }) // its server may have crashed
	return db
}

// exec runs statements as the master user.
func (w *world) exec(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), (&postgres.Server{Server: w.pg}).MasterURL(contract.DatabaseName))
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

func (w *world) text(t testing.TB, sql string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), (&postgres.Server{Server: w.pg}).MasterURL(contract.DatabaseName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}

// generate returns n events in records of four shards, in the order of their
// arrival. sequence is the first sequence number.
func (w *world) generate(n int, sequence int, random *rand.Rand) map[string][]archive.ArchivedRecord {
	shards := map[string][]archive.ArchivedRecord{}
	step := w.to.Sub(w.from) / time.Duration(n+1)
	for made := 0; made < n; {
		at := w.from.Add(step * time.Duration(made)).Truncate(time.Millisecond)
		shard := fmt.Sprintf("shardId-%012d", made%4)
		r := archive.ArchivedRecord{Shard: shard, Sequence: strconv.Itoa(sequence + made), Arrived: at, PartitionKey: "k"}
		var lines [][]byte
		for range min(1+random.IntN(19), n-made) {
			e := event.Event{
				ID: uuid.UUID{byte(made >> 24), byte(made >> 16), byte(made >> 8), byte(made), byte(sequence >> 8), byte(sequence)}, UserID: "user-" + strconv.Itoa(random.IntN(3000)), Type: []string{"page_view", "click", "purchase", "login"}[random.IntN(4)],
				Timestamp: at.Add(-time.Duration(random.IntN(60)) * time.Second), Properties: []byte(`{"amount":` + strconv.Itoa(random.IntN(100)) + `,"page":"/` + strconv.Itoa(random.IntN(50)) + `"}`),
			}
			envelope := event.Envelope{Event: e, ReceivedAt: at, RequestID: "r"}
			if made%5 == 0 {
				anonymous := strconv.Itoa(random.IntN(3000))
				envelope.Links = []string{"anon:" + anonymous}
				envelope.Event.Properties = []byte(`{"anonymousId":"` + anonymous + `",` + string(e.Properties[1:]))
			}
			lines = append(lines, envelope.AppendJSON(nil))
			made++
		}
		r.Data = bytes.Join(lines, []byte("\n"))
		shards[shard] = append(shards[shard], r)
	}
	return shards
}

// store writes records into an archive, as the archiver does.
func store(t testing.TB, dir string, shards map[string][]archive.ArchivedRecord) {
	t.Helper()
	for _, records := range shards {
		for batch := range slices.Chunk(records, 1000) {
			for _, o := range archive.Objects(batch) {
				body, _, err := o.Encode()
				if err == nil {
					err = dirbucket.Bucket{Dir: dir, Volatile: true}.Put(t.Context(), o.Key, body)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// load loads records as the processor does, and returns how long it took.
func (w *world) load(t testing.TB, shards map[string][]archive.ArchivedRecord) time.Duration {
	t.Helper()
	db := w.as(t, contract.RoleLoader)
	began := time.Now()
	for _, records := range shards {
		for _, c := range chunk.Cut(records, warehouse.MaxChunk) {
			c.Formats = event.Formats()
			if _, err := db.Load(t.Context(), c.Chunk); err != nil {
				t.Fatal(err)
			}
		}
	}
	took := time.Since(began)
	w.settle(t)
	return took
}

// settle makes the loads look older: jobs slow down while events of the stream
// are loaded long after their arrival.
func (w *world) settle(t testing.TB) {
	t.Helper()
	w.exec(t, "UPDATE load_batch SET loaded_at = loaded_at - interval '1 minute'")
}

// tables are emptied by empty: everything but the schema and the jobs.
const tables = "events, metric_minute, dimension, dimension_folded, dimension_wanted, quarantine, load_batch, reconciled_object, reconciled_hour, identity, identity_user"

// empty empties warehouse and cache.
func (w *world) empty(t testing.TB) {
	t.Helper()
	w.exec(t, "TRUNCATE "+tables)
	if err := w.redis.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// state describes links, events, rollups and Redis.
func (w *world) state(t testing.TB) string {
	t.Helper()
	return "links " + w.text(t, `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(concat_ws('|', i.*, u.links), 0)::numeric), 0) FROM identity i JOIN identity_user u USING (user_id)`) +
		"\nevents " + w.text(t, `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(concat_ws('|', event_id, user_id, event_type, timestamp, properties, received_at, arrived_at, line, source), 0)::numeric), 0) FROM events`) +
		"\nrollups " + w.rollups(t) + "\nredis " + w.cached(t)
}

func (w *world) rollups(t testing.TB) string {
	t.Helper()
	return w.text(t, `SELECT coalesce(sum(n), 0) || ' ' || coalesce(sum(hashtextextended(concat_ws('|', metric, bucket, dimension, n, trim_scale(sum), min, max), 0)::numeric), 0) FROM (
		SELECT metric, bucket, dimension, sum(n) AS n, sum(sum) AS sum, min(min) AS min, max(max) AS max FROM metric_minute GROUP BY 1, 2, 3 HAVING sum(n) > 0) r`)
}

// recount compares the rollup of events with a count by PostgreSQL.
func (w *world) recount(t testing.TB) {
	t.Helper()
	if n := w.text(t, `SELECT count(*)::text FROM (
		SELECT date_trunc('minute', timestamp) AS bucket, event_type, count(*) FROM events GROUP BY 1, 2
		EXCEPT SELECT bucket, dimension, sum(n)::bigint FROM metric_minute WHERE metric = 'events' GROUP BY 1, 2) x`); n != "0" {
		t.Errorf("%s rollups differ from a recount", n)
	}
	if n := w.text(t, "SELECT (SELECT count(*) FROM events) - (SELECT coalesce(sum(n), 0) FROM metric_minute WHERE metric = 'events') || ''"); n != "0" {
		t.Errorf("events and rollups differ by %s", n)
	}
}

// finish works on a job until it is done.
func finish(t testing.TB, h *maintenance.Handler, task contract.MaintenanceTask) contract.Job {
	t.Helper()
	if task.Token == "" {
		task.Token = uuid.NewString()
	}
	j, err := loop(t.Context(), h, task)
	if err != nil {
		t.Fatalf("%s %s: %v", task.Task, task.Action, err)
	}
	return j
}

// errDone means that the job is already done.
var errDone = errors.New("the job is done")

// loop calls the function like the program, until the job is done.
func loop(ctx context.Context, h *maintenance.Handler, task contract.MaintenanceTask) (contract.Job, error) {
	for failed := 0; ; {
		r, err := h.Do(ctx, task)
		switch {
		case ctx.Err() != nil:
			return contract.Job{}, ctx.Err()
		case err != nil:
			if failed++; failed == 200 {
				return contract.Job{}, err
			}
		case r.Problem != nil && r.Problem.Kind == contract.ProblemMissing:
			return contract.Job{}, errDone
		case r.Problem != nil && r.Problem.Kind != contract.ProblemBusy:
			return contract.Job{}, errors.New(r.Problem.Message)
		case r.Problem == nil && r.Job.State == contract.StateDone:
			return *r.Job, nil
		}
		if err != nil || r.Problem != nil {
			if err := pause.For(ctx, 50*time.Millisecond); err != nil {
				return contract.Job{}, err
			}
		}
	}
}

func (w *world) replay() contract.MaintenanceTask {
	return contract.MaintenanceTask{Task: contract.TaskReplay, Action: contract.ActionRun, Seconds: 1,
		JobParameters: contract.JobParameters{Source: contract.SourceArchive, From: w.from, To: w.to}}
}

func rebuild(action string) contract.MaintenanceTask {
	return contract.MaintenanceTask{Task: contract.TaskRebuild, Action: action, Seconds: 1}
}

// childVariable has the work of a child process.
const childVariable = "STREAMCTL_JOBS_CHILD"

type work struct {
	Place place
	Task  contract.MaintenanceTask
}

func TestMain(m *testing.M) {
	text := os.Getenv(childVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var todo work
	if err := json.Unmarshal([]byte(text), &todo); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	h, _ := todo.Place.open(metrics{})
	if _, err := loop(context.Background(), h, todo.Task); err != nil && !errors.Is(err, errDone) { // the child's main
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

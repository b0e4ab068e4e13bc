package processor_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/warehouse"
)

var shared postgres.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

var noon = time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)

type bucket struct {
	objects map[string][]byte
	down    bool
}

func (b *bucket) Put(_ context.Context, key string, body []byte) error {
	if b.down {
		return errors.New("slow down")
	}
	b.objects[key] = body
	return nil
}

type metrics map[string]float64

func (m metrics) Emit(_ context.Context, all ...emf.Metric) {
	for _, one := range all {
		m[one.Name] += one.Value
	}
}

func record(n int, data string) events.KinesisEventRecord {
	var r events.KinesisEventRecord
	r.Kinesis.SequenceNumber = fmt.Sprintf("49%08d", n)
	r.EventID = "shardId-000000000000:" + r.Kinesis.SequenceNumber
	r.Kinesis.PartitionKey = "u"
	r.Kinesis.ApproximateArrivalTimestamp.Time = noon
	r.Kinesis.Data = []byte(data)
	return r
}

// stream returns n records of one to three events each, and the number of
// events.
func stream(n int) (records []events.KinesisEventRecord, total int) {
	for i := range n {
		var lines []string
		for range i%3 + 1 {
			at := noon.Add(-time.Duration(total) * time.Second)
			e := event.Envelope{Event: event.Event{
				ID: uuid.New(), UserID: fmt.Sprintf("user%d", i%11), Type: []string{"view", "click"}[total%2], Timestamp: at, Properties: []byte("{}"),
			}, ReceivedAt: at, RequestID: "r"}
			lines = append(lines, string(e.AppendJSON(nil)))
			total++
		}
		records = append(records, record(i, strings.Join(lines, "\n")))
	}
	return records, total
}

// rig is a handler connected to real servers.
type rig struct {
	*processor.Handler
	bucket  *bucket
	metrics metrics
	cache   *cache.Cache
}

func newRig(t *testing.T, db *warehouse.DB) *rig {
	r := &rig{bucket: &bucket{objects: map[string][]byte{}}, metrics: metrics{}}
	r.cache = cache.New(redis.Client(t, redis.Start(t)), func() time.Time { return noon })
	r.Handler = processor.New(contract.Processor{}, processor.Deps{
		Warehouse: db, Cache: r.cache, Objects: r.bucket, Metrics: r.metrics, Clock: pause.Clock{Time: func() time.Time { return noon.Add(1500 * time.Millisecond) }}, Log: slog.New(slog.DiscardHandler),
	})
	return r
}

func (r *rig) handle(t *testing.T, records []events.KinesisEventRecord) string {
	t.Helper()
	resp, err := r.Handle(t.Context(), events.KinesisEvent{Records: records})
	if err != nil {
		t.Fatal(err)
	}
	if len(resp.BatchItemFailures) == 0 {
		return ""
	}
	return resp.BatchItemFailures[0].ItemIdentifier
}

func number(t *testing.T, conn *pgx.Conn, sql string) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// exact compares events, rollups and cache with the number of events sent.
func exact(t *testing.T, conn *pgx.Conn, c *cache.Cache, want int) {
	t.Helper()
	if n := number(t, conn, "SELECT count(*) FROM events"); n != want {
		t.Errorf("%d events, want %d", n, want)
	}
	n := number(t, conn, `SELECT count(*) FROM
		(SELECT bucket, dimension, sum(n) AS n FROM metric_minute GROUP BY 1, 2) r FULL JOIN
		(SELECT date_trunc('minute', timestamp) AS bucket, event_type AS dimension, count(*) AS n FROM events GROUP BY 1, 2) c
		USING (bucket, dimension) WHERE r.n IS DISTINCT FROM c.n`)
	if n != 0 {
		t.Errorf("%d rollups differ from a recount", n)
	}
	minutes := make([]time.Time, 60)
	for i := range minutes {
		minutes[i] = noon.Add(-time.Duration(i) * time.Minute)
	}
	found, err := c.Minutes(t.Context(), warehouse.MetricEvents, minutes)
	if err != nil {
		t.Fatal(err)
	}
	var cached int64
	for _, row := range found.Rows {
		cached += row.N
	}
	if cached != int64(want) {
		t.Errorf("the cache counts %d events, want %d", cached, want)
	}
}

func TestRedeliveryInOtherBatchesCountsOnce(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	r, conn := newRig(t, d.As(t, contract.RoleLoader)), d.Conn(t)
	records, total := stream(300)
	cuts := [][]events.KinesisEventRecord{records[:150], records[:150], records[75:225], records[150:], records}
	for i, cut := range cuts {
		if failed := r.handle(t, cut); failed != "" {
			t.Errorf("delivery %d failed from %s", i, failed)
		}
	}
	exact(t, conn, r.cache, total)
	if r.metrics[contract.MetricInserted] != float64(total) || r.metrics[contract.MetricDuplicates] == 0 || r.metrics[contract.MetricQuarantined] != 0 {
		t.Errorf("metrics are %v", r.metrics)
	}
}

func TestPoisonIsQuarantinedAndTheRestLoaded(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	r, conn := newRig(t, d.As(t, contract.RoleLoader)), d.Conn(t)
	records, total := stream(30)
	good := string(records[2].Kinesis.Data)
	old := strings.ReplaceAll(strings.Split(good, "\n")[0], noon.Format("2006-01-02"), "2001-01-01")
	records = slices.Insert(records, 10, record(1000, "no envelope"), record(1001, old), record(1002, ""), record(1003, "\x00\xff"))
	records[5].Kinesis.Data = append(records[5].Kinesis.Data, "\n{}"...)
	for range 2 {
		if failed := r.handle(t, records); failed != "" {
			t.Fatalf("failed from %s", failed)
		}
	}
	exact(t, conn, r.cache, total)
	if n := number(t, conn, "SELECT count(*) FROM quarantine"); n != 5 {
		t.Errorf("%d lines in quarantine", n)
	}
	if len(r.bucket.objects) != 1 {
		t.Fatalf("%d objects", len(r.bucket.objects))
	}
	for key, body := range r.bucket.objects {
		zr, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(zr)
		if err != nil || bytes.Count(text, []byte("\n")) != 5 || !strings.Contains(string(text), `"data64":"bm8gZW52ZWxvcGU="`) {
			t.Errorf("object %s holds %s, %v", key, text, err)
		}
	}
	r.bucket.down = true
	if failed := r.handle(t, []events.KinesisEventRecord{record(2000, "another")}); failed != "4900002000" {
		t.Errorf("without the archive it failed from %q", failed)
	}
}

// TestAPanicQuarantinesItsRecord makes Analyze panic late, in the middle of a
// record, while the database copies earlier rows.
func TestAPanicQuarantinesItsRecord(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	r, conn := newRig(t, d.As(t, contract.RoleLoader)), d.Conn(t)
	records, total := stream(2000)
	in := make([]archive.ArchivedRecord, len(records))
	for i := range records {
		in[i] = archive.FromEvent(records[i], false)
	}
	broken := in[1901] // a record of three lines
	middle, err := event.DecodeEnvelope(event.Lines(broken.Data)[1])
	if err != nil {
		t.Fatal(err)
	}
	done, err := r.LoadWith(t.Context(), in, func(e event.Event) ([]metric.Contribution, error) {
		if e.ID == middle.Event.ID {
			panic("out of order")
		}
		return nil, nil
	})
	if err != nil || done.Inserted != total-3 || done.Quarantined != 3 {
		t.Fatalf("%d of %d inserted, %d quarantined, %v", done.Inserted, total, done.Quarantined, err)
	}
	if n := number(t, conn, "SELECT count(*) FROM quarantine WHERE seq = '"+broken.Sequence+"' AND reason = 'panic: out of order'"); n != 3 {
		t.Errorf("%d lines of the record are in quarantine", n)
	}
}

func TestCacheOutageFailsNothing(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	r, conn := newRig(t, d.As(t, contract.RoleLoader)), d.Conn(t)
	server := redis.Start(t)
	client := cache.Local(server.Addr, "")
	defer client.Close()
	r.Cache = cache.New(client, func() time.Time { return noon })
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	records, total := stream(10)
	if failed := r.handle(t, records); failed != "" {
		t.Errorf("failed from %s", failed)
	}
	if r.metrics[contract.MetricCacheErrors] != 1 {
		t.Errorf("metrics are %v", r.metrics)
	}
	if _, err := r.cache.Refresh(t.Context(), d.As(t, contract.RoleOwner)); err != nil {
		t.Fatal(err)
	}
	exact(t, conn, r.cache, total)
}

// crashing crashes the server when the n-th chunk is about to be loaded.
type crashing struct {
	*warehouse.DB
	left  int
	crash func()
}

func (c *crashing) Load(ctx context.Context, chunk warehouse.Chunk) (warehouse.Loaded, error) {
	if c.left--; c.left == 0 {
		c.crash()
	}
	return c.DB.Load(ctx, chunk)
}

func TestDatabaseDiesMidway(t *testing.T) {
	dir := t.TempDir()
	start := func() *pgserver.Server {
		s, err := pgserver.Start(t.Context(), postgres.Options(dir))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	server := start()
	if err := server.CreateRDS(t.Context(), postgres.Master, postgres.MasterPassword, contract.DatabaseName); err != nil {
		t.Fatal(err)
	}
	master := warehouse.NewURL((&postgres.Server{Server: server}).MasterURL(contract.DatabaseName))
	owner := warehouse.NewURL(server.URL(contract.RoleOwner, contract.DatabaseName))
	if err := errors.Join(master.EnsureRoles(t.Context()), master.Close(t.Context()), server.AdmitRoles(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.EnsurePartitions(t.Context(), noon, noon, pause.For); err != nil {
		t.Fatal(err)
	}

	// Two chunks: after the first commit the server is killed.
	records, total := stream(3000)
	db := &crashing{DB: warehouse.NewURL(server.URL(contract.RoleLoader, contract.DatabaseName)), left: 2}
	r := newRig(t, db.DB)
	r.Warehouse = db
	db.crash = func() {
		if err := server.Crash(t.Context()); err != nil {
			t.Error(err)
		}
	}
	failed := r.handle(t, records)
	at := slices.IndexFunc(records, func(r events.KinesisEventRecord) bool { return r.Kinesis.SequenceNumber == failed })
	if at <= 0 {
		t.Fatalf("failed from %q (record %d), want the second chunk's first", failed, at)
	}
	if again := r.handle(t, records[at:]); again != failed {
		t.Errorf("without the database it failed from %q, want %q", again, failed)
	}
	server = start()
	db.DB = warehouse.NewURL(server.URL(contract.RoleLoader, contract.DatabaseName))
	if failed := r.handle(t, records[at:]); failed != "" {
		t.Errorf("after the restart it failed from %q", failed)
	}
	conn, err := pgx.Connect(t.Context(), (&postgres.Server{Server: server}).MasterURL(contract.DatabaseName))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if n := number(t, conn, "SELECT count(*) FROM load_batch"); n != 2 {
		t.Errorf("%d batches committed", n)
	}
	if _, err := r.cache.Refresh(t.Context(), db.DB); err != nil {
		t.Fatal(err)
	}
	if n := number(t, conn, "SELECT count(*) FROM events"); n != total {
		t.Errorf("%d events, want %d", n, total)
	}
	if n := number(t, conn, "SELECT sum(n) FROM metric_minute"); n != total {
		t.Errorf("rollups count %d events, want %d", n, total)
	}
	if n := number(t, conn, "SELECT count(*) FROM quarantine"); n != 0 {
		t.Errorf("%d lines in quarantine", n)
	}
}

func TestNearTheDeadlineNoChunkIsStarted(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	r, conn := newRig(t, d.As(t, contract.RoleLoader)), d.Conn(t)
	records, _ := stream(3000)
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second) // less than the reserve for a second chunk
	defer cancel()
	resp, err := r.Handle(ctx, events.KinesisEvent{Records: records})
	if err != nil || len(resp.BatchItemFailures) != 1 {
		t.Fatalf("%+v, %v", resp, err)
	}
	if n := number(t, conn, "SELECT count(*) FROM load_batch"); n != 1 {
		t.Errorf("%d chunks loaded", n)
	}
}

func TestLag(t *testing.T) {
	r := newRig(t, shared.Warehouse(t, noon.AddDate(0, 0, -1), noon).As(t, contract.RoleLoader))
	records, _ := stream(100)
	if left := r.handle(t, records); left != "" {
		t.Fatal(left)
	}
	if r.metrics[contract.MetricLag] != 1500 {
		t.Errorf("lag is %g ms", r.metrics[contract.MetricLag])
	}
}

// TestManyRejectedEventsWaitForTheRecordsAge has an operator's CHECK that 48 of
// 264 events violate: the chunk waits until its oldest record is 15 minutes
// old.
func TestManyRejectedEventsWaitForTheRecordsAge(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	r, conn := newRig(t, d.As(t, contract.RoleLoader)), d.Conn(t)
	if _, err := conn.Exec(t.Context(), "ALTER TABLE events ADD CONSTRAINT people CHECK (user_id NOT IN ('user0', 'user1')) NOT VALID"); err != nil {
		t.Fatal(err)
	}
	records, total := stream(132) // user0 and user1 each send every eleventh record
	bad := 0
	for i := range records {
		if i%11 < 2 {
			bad += i%3 + 1
		}
	}
	now := noon.Add(14 * time.Minute)
	r.Clock.Time = func() time.Time { return now }
	if failed := r.handle(t, records); failed != records[0].Kinesis.SequenceNumber {
		t.Errorf("after 14 minutes it failed from %q", failed)
	}
	if n := number(t, conn, "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM quarantine)"); n != 0 {
		t.Errorf("%d rows after 14 minutes", n)
	}
	now = noon.Add(15 * time.Minute)
	if failed := r.handle(t, records); failed != "" {
		t.Errorf("after 15 minutes it failed from %q", failed)
	}
	exact(t, conn, r.cache, total-bad)
	if n := number(t, conn, `SELECT count(*) FROM quarantine WHERE reason LIKE '%23514, constraint "people"%'`); n != bad {
		t.Errorf("%d of %d in quarantine", n, bad)
	}
}

// slowFor times out on chunks with more than a number of records.
type slowFor struct {
	*warehouse.DB
	records int
	calls   int
}

func (s *slowFor) Load(ctx context.Context, c warehouse.Chunk) (warehouse.Loaded, error) {
	s.calls++
	if c.Records > s.records {
		return warehouse.Loaded{}, &pgconn.PgError{Severity: "ERROR", Code: "57014", Message: "canceling statement due to statement timeout"}
	}
	return s.DB.Load(ctx, c)
}

// TestATriggerThatIsSlowForEveryEventDelaysTheShard expects half the chunk size
// after each timeout, and twice the size after each load.
func TestATriggerThatIsSlowForEveryEventDelaysTheShard(t *testing.T) {
	d := shared.Warehouse(t, noon, noon)
	r, conn := newRig(t, d.As(t, contract.RoleLoader)), d.Conn(t)
	slow := &slowFor{DB: d.As(t, contract.RoleLoader), records: 30}
	r.Warehouse = slow
	records, total := stream(300)
	left, invocations := records, 0
	for len(left) > 0 && invocations < 60 {
		invocations++
		failed := r.handle(t, left)
		if failed == "" {
			left = nil
			break
		}
		left = left[slices.IndexFunc(left, func(r events.KinesisEventRecord) bool { return r.Kinesis.SequenceNumber == failed }):]
	}
	exact(t, conn, r.cache, total)
	if len(left) > 0 || slow.calls > 60 {
		t.Errorf("%d records remain after %d invocations and %d loads", len(left), invocations, slow.calls)
	}
	slow.records, slow.calls = warehouse.MaxChunk, 0
	for range 12 {
		r.handle(t, records)
	}
	slow.calls = 0
	if r.handle(t, records); slow.calls != 1 {
		t.Errorf("%d chunks after loads without a timeout, want 1", slow.calls)
	}
}

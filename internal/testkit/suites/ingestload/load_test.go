// Package ingestload_test sends events through ingest onto an unreliable
// stream, and from there through the processor into PostgreSQL.
package ingestload_test

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/functions/processor"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

var shared postgres.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

var (
	noon  = time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
)

type metrics map[string]float64

func (m metrics) Emit(_ context.Context, all ...emf.Metric) {
	for _, one := range all {
		m[one.Name] += one.Value
	}
}

// nothing ignores updates of the cache.
type nothing struct{}

func (nothing) Update(context.Context, cache.Source, []warehouse.MinuteRow, map[string][]string) error {
	return nil
}

// bucket stores quarantine objects.
type bucket map[string][]byte

func (b bucket) Put(_ context.Context, key string, body []byte) error {
	b[key] = body
	return nil
}

// seeded generates the same numbers for the same seed.
type seeded struct{ *rand.Rand }

func (s seeded) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.Uint32())
	}
	return len(b), nil
}

func newIngest(s *stream) *ingest.Handler {
	return ingest.New(contract.Ingest{Stream: "events", EventMaxAgeDays: 30}, ingest.Deps{
		Stream: s, Random: seeded{s.random}, Metrics: metrics{}, Log: quiet,
		Clock: pause.Clock{Time: func() time.Time { return noon }, Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
	})
}

func newProcessor(db *warehouse.DB, m metrics) *processor.Handler {
	return processor.New(contract.Processor{}, processor.Deps{
		Warehouse: db, Cache: nothing{}, Objects: bucket{}, Clock: pause.Clock{Time: func() time.Time { return noon }}, Metrics: m, Log: quiet,
	})
}

// seedVariable repeats a failed run.
const seedVariable = "STREAMCTL_INGEST_SEED"

func seed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("%s=%d", seedVariable, seed)
	return seed
}

// load delivers records to the processor in batches of a size.
func load(t *testing.T, h *processor.Handler, records []events.KinesisEventRecord, size int) {
	t.Helper()
	for batch := range slices.Chunk(records, size) {
		resp, err := h.Handle(t.Context(), events.KinesisEvent{Records: batch})
		if err != nil || len(resp.BatchItemFailures) > 0 {
			t.Fatalf("not loaded: %+v, %v", resp, err)
		}
	}
}

func TestWhatIsAcceptedIsInTheWarehouseOnce(t *testing.T) {
	const requests = 10_000
	seed := seed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	s := &stream{t: t, random: random, stored: map[identity]int{}}
	c := &client{t: t, random: random, handler: newIngest(s), stream: s, accepted: map[int]identity{}}
	for i := range requests {
		switch {
		case i%2000 == 1000: // 3.5 MB, in full records
			c.users, c.padding = 3, strings.Repeat("x", 7000)
			c.send(event.MaxBatch)
		case random.IntN(10) < 3:
			c.users, c.padding = 500, ""
			c.send(2 + random.IntN(15))
		default:
			c.users, c.padding = 500, ""
			c.send(1)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	twice := 0
	for _, n := range s.stored {
		twice += n - 1
	}
	t.Logf("%d requests with %d events, %d rejected, %d resent", c.requests, c.number, c.refused, c.resent)
	t.Logf("%d calls, %d failed before and %d after they stored; %d records throttled, %d failed; %d events stored again", s.calls, s.callsFailed, s.callsLost, s.throttled, s.failed, twice)
	if len(c.accepted) != c.number-c.refused || len(s.stored) != len(c.accepted) {
		t.Errorf("%d of %d events accepted, %d on the stream", len(c.accepted), c.number-c.refused, len(s.stored))
	}

	d := shared.Warehouse(t, noon, noon)
	m := metrics{}
	h := newProcessor(d.As(t, contract.RoleLoader), m)
	for _, records := range s.shards {
		load(t, h, records, 1000)
		load(t, h, records[len(records)/3:len(records)/2], 700) // and a part of the records again
	}
	if m[contract.MetricInserted] != float64(len(c.accepted)) || m[contract.MetricDuplicates] < float64(twice) || m[contract.MetricQuarantined] != 0 {
		t.Errorf("the processor counted %v", m)
	}
	rows, err := d.Conn(t).Query(t.Context(), "SELECT (properties->>'n')::int, event_id, timestamp FROM events")
	if err != nil {
		t.Fatal(err)
	}
	var n, total int
	var id uuid.UUID
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&n, &id, &at}, func() error {
		if total++; c.accepted[n] != identityOf(event.Event{ID: id, Timestamp: at}) {
			t.Errorf("event %d was accepted as %v and loaded as %s at %s", n, c.accepted[n], id, at)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if total != len(c.accepted) {
		t.Errorf("%d events are loaded, %d were accepted", total, len(c.accepted))
	}
	var counted int
	if err := d.Conn(t).QueryRow(t.Context(), "SELECT sum(n) FROM metric_minute WHERE metric = 'events'").Scan(&counted); err != nil || counted != total {
		t.Errorf("rollups count %d, %v", counted, err)
	}
}

// TestAnIdentityUsedAgain sends other content with an existing identity: the
// first stays, the second is counted as a duplicate.
func TestAnIdentityUsedAgain(t *testing.T) {
	s := &stream{t: t, random: rand.New(rand.NewPCG(1, 0)), stored: map[identity]int{}}
	c := &client{t: t, handler: newIngest(s), stream: s}
	first := message{
		EventID: "7f6f2a41-6f70-4c3e-9a70-2f4d0d1f2a3b", Timestamp: noon.Add(-time.Minute).Format(time.RFC3339),
		UserID: "anna", EventType: "view", Properties: map[string]any{"n": 1},
	}
	second := first
	second.UserID, second.EventType, second.Properties = "anna", "click", map[string]any{"n": 2}
	elsewhere := second
	elsewhere.UserID = "bert" // possibly on another shard
	later := second
	later.Timestamp = noon.Format(time.RFC3339) // another identity
	for _, m := range []message{first, second, elsewhere, later} {
		for c.post([]message{m})[0].Status != 202 {
		}
	}
	d := shared.Warehouse(t, noon, noon)
	m := metrics{}
	h := newProcessor(d.As(t, contract.RoleLoader), m)
	var all []events.KinesisEventRecord
	for _, records := range s.shards {
		all = append(all, records...)
	}
	slices.SortFunc(all, func(a, b events.KinesisEventRecord) int {
		return strings.Compare(a.Kinesis.SequenceNumber, b.Kinesis.SequenceNumber)
	})
	load(t, h, all, 1) // each in its own transaction
	load(t, h, all, 10)
	rows, err := d.Conn(t).Query(t.Context(), "SELECT concat_ws(' ', user_id, event_type, properties->>'n') FROM events ORDER BY timestamp")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	want := []string{"anna view 1", "anna click 2"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("loaded %v, %v; want %v", got, err, want)
	}
	if m[contract.MetricInserted] != 2 || m[contract.MetricDuplicates] != float64(2*len(all)-2) || m[contract.MetricQuarantined] != 0 {
		t.Errorf("the processor counted %v", m)
	}
}

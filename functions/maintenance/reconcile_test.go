package maintenance_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// bucket is an archive of one hour.
type bucket struct {
	hour    time.Time
	objects [][]archive.ArchivedRecord
	reads   int
}

func (b *bucket) Objects(_ context.Context, hour time.Time) (all []archive.Stored, err error) {
	for i := range b.objects {
		if hour.Equal(b.hour) {
			all = append(all, archive.Stored{Key: "raw/v1/" + strconv.Itoa(i), Hour: hour})
		}
	}
	return all, nil
}

func (b *bucket) Records(_ context.Context, o archive.Stored) ([]archive.ArchivedRecord, error) {
	b.reads++
	i, err := strconv.Atoi(o.Key[len("raw/v1/"):])
	return b.objects[i], err
}

// past returns a handler whose clock can be set, on a warehouse with events of
// today and of an expired day that arrived five hours ago, and their records.
func past(t *testing.T) (*handler, *bucket, metrics, *postgres.Database, []archive.ArchivedRecord) {
	t.Helper()
	clock := time.Now().UTC()
	old := clock.AddDate(0, 0, -40)
	d := shared.Warehouse(t, old, clock)
	h, _, m := newHandler(t, d, 37)
	h.Clock.Time = func() time.Time { return clock }
	arrived := clock.Add(-5 * time.Hour).Truncate(time.Hour)
	b := &bucket{hour: arrived}
	h.Archive = b

	var rows []warehouse.Row
	var bad []warehouse.Rejected
	var records []archive.ArchivedRecord
	for n := range 10 {
		r := archive.ArchivedRecord{Shard: "s", Sequence: strconv.Itoa(n), Arrived: arrived}
		var text [][]byte
		for i := range n%3 + 1 {
			at := []time.Time{old, arrived}[n%2].Add(time.Duration(i) * time.Second).Truncate(time.Microsecond)
			e := event.Event{ID: uuid.New(), UserID: "u", Type: "view", Timestamp: at, Properties: []byte("{}")}
			text = append(text, (&event.Envelope{Event: e, ReceivedAt: arrived, RequestID: "r"}).AppendJSON(nil))
			rows = append(rows, warehouse.Row{Event: e, ReceivedAt: arrived, ArrivedAt: arrived, Seq: r.Sequence, I: i})
		}
		if n == 4 { // an invalid event, which is quarantined
			bad = append(bad, warehouse.Rejected{Seq: r.Sequence, I: len(text), Reason: "no JSON"})
			text = append(text, []byte("rubbish"))
		}
		r.Data = bytes.Join(text, []byte("\n"))
		records = append(records, r)
	}
	c := warehouse.Chunk{
		Shard: "s", FirstSeq: "0", LastSeq: "9", Arrived: arrived, Records: 1,
		Decode: func(int) ([]warehouse.Row, []warehouse.Rejected) { return rows, bad },
		Keep:   func(context.Context, []warehouse.Rejected) (string, error) { return "x", nil },
	}
	if _, err := d.As(t, contract.RoleLoader).Load(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return h, b, m, d, records
}

func upkeep(ctx context.Context, t *testing.T, h *handler) {
	t.Helper()
	if err := h.Handle(ctx, contract.MaintenanceTask{Task: contract.TaskUpkeep}); err != nil {
		t.Fatal(err)
	}
}

func TestADayGoesWhenTheArchiveHasIt(t *testing.T) {
	h, b, m, d, records := past(t)
	clock := h.Clock.Now()
	h.Clock.Time = func() time.Time { return clock }
	conn := d.Conn(t)
	state := func() string {
		var n int
		var unarchived, missing int64
		err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_class WHERE relname = 'events_' || to_char($1::timestamptz AT TIME ZONE 'UTC', 'YYYYMMDD')),
			unarchived, missing FROM reconciled_hour WHERE hour = $2`, clock.AddDate(0, 0, -40), b.hour).Scan(&n, &unarchived, &missing)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d days, %d unarchived, %d missing", n, unarchived, missing)
	}
	for _, step := range []struct {
		name    string
		objects [][]archive.ArchivedRecord
		after   time.Duration
		want    string
		reads   int
	}{
		{"the archiver is behind", [][]archive.ArchivedRecord{records[:4]}, 0, "1 days, 12 unarchived, 0 missing", 1},
		{"compared a moment ago", [][]archive.ArchivedRecord{records[:4], records[4:]}, time.Minute, "1 days, 12 unarchived, 0 missing", 0},
		{"it has caught up", [][]archive.ArchivedRecord{records[:4], records[4:]}, time.Hour, "0 days, 0 unarchived, 0 missing", 1},
	} {
		h.Clock.Time = func() time.Time { return clock.Add(step.after) }
		b.objects, b.reads = step.objects, 0
		upkeep(t.Context(), t, h)
		if got := state(); got != step.want || b.reads != step.reads {
			t.Errorf("%s: %s, %d reads; want %s, %d", step.name, got, b.reads, step.want, step.reads)
		}
		overdue := 0.0
		if step.after < time.Hour { // a day that is kept is reported immediately
			overdue = 1
		}
		if m[contract.MetricUnreconciled] != overdue {
			t.Errorf("%s: %g overdue", step.name, m[contract.MetricUnreconciled])
		}
	}
}

func TestALineThatWasNeverLoadedIsMissing(t *testing.T) {
	h, b, m, d, records := past(t)
	lost := records[3]
	lost.Sequence = "10"
	lost.Data = bytes.ReplaceAll(lost.Data, []byte(`"userId":"u"`), []byte(`"userId":"u2"`))
	e, err := event.DecodeEnvelope(event.Lines(lost.Data)[0])
	if err != nil {
		t.Fatal(err)
	}
	e.Event.ID = uuid.New()
	lost.Data = e.AppendJSON(nil)
	b.objects = [][]archive.ArchivedRecord{append(slices.Clone(records), lost)}
	clock := h.Clock.Now()
	upkeep(t.Context(), t, h)
	var missing int64
	if err := d.Conn(t).QueryRow(t.Context(), "SELECT missing FROM reconciled_hour WHERE hour = $1", b.hour).Scan(&missing); err != nil || missing != 1 {
		t.Errorf("%d missing, %v", missing, err)
	}
	if m[contract.MetricUnreconciled] != 0 {
		t.Errorf("%g overdue immediately", m[contract.MetricUnreconciled])
	}
	h.Clock.Time = func() time.Time { return clock.Add(25 * time.Hour) }
	upkeep(t.Context(), t, h)
	if m[contract.MetricUnreconciled] < 1 {
		t.Errorf("%g overdue a day later", m[contract.MetricUnreconciled])
	}
}

func TestReconciliationResumesWhereTimeRanOut(t *testing.T) {
	h, b, _, d, records := past(t)
	b.objects = [][]archive.ArchivedRecord{records[:4], records[4:]}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	upkeep(short, t, h)
	if b.reads != 0 {
		t.Errorf("%d objects were read although time had run out", b.reads)
	}
	upkeep(t.Context(), t, h)
	var clean bool
	err := d.Conn(t).QueryRow(t.Context(), "SELECT missing = 0 AND unarchived = 0 FROM reconciled_hour WHERE hour = $1", b.hour).Scan(&clean)
	if err != nil || !clean || b.reads != 2 {
		t.Errorf("clean %v, %d reads, %v", clean, b.reads, err)
	}
}

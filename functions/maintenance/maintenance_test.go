package maintenance_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/warehouse"
)

var shared postgres.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

var now = time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)

type metrics map[string]float64

func (m metrics) Emit(_ context.Context, all ...emf.Metric) {
	for _, one := range all {
		m[one.Name] = one.Value
	}
}

// handler runs tasks without a result.
type handler struct{ *maintenance.Handler }

func (h *handler) Handle(ctx context.Context, task contract.MaintenanceTask) error {
	_, err := h.Do(ctx, task)
	return err
}

func newHandler(t *testing.T, d *postgres.Database, retentionDays int) (*handler, *cache.Cache, metrics) {
	t.Helper()
	m := metrics{}
	c := cache.New(redis.Client(t, redis.Start(t)), func() time.Time { return now })
	return &handler{maintenance.New(contract.Maintenance{EventMaxAgeDays: 2, WarehouseRetentionDays: retentionDays}, maintenance.Deps{
		Warehouse: maintenance.On(d.As(t, contract.RoleOwner)), Cache: c, Archive: &bucket{},
		Clock:   pause.Clock{Time: func() time.Time { return now }, Wait: func(context.Context, time.Duration) error { return errors.New("waited") }},
		Metrics: m, Log: slog.New(slog.DiscardHandler),
	})}, c, m
}

func chunk(at time.Time) warehouse.Chunk {
	row := warehouse.Row{
		Event: event.Event{ID: uuid.New(), UserID: "u", Type: "view", Timestamp: at, Properties: []byte("{}")}, ReceivedAt: now, ArrivedAt: now,
	}
	return warehouse.Chunk{Shard: "s", FirstSeq: "1", LastSeq: "2", Records: 1, Decode: func(int) ([]warehouse.Row, []warehouse.Rejected) {
		return []warehouse.Row{row}, nil
	}}
}

func TestPartitions(t *testing.T) {
	d := shared.Warehouse(t, now, now)
	h, _, m := newHandler(t, d, 0)
	conn := d.Conn(t)
	if _, err := conn.Exec(t.Context(), `INSERT INTO load_batch (loaded_at, shard, first_seq, last_seq, inserted, duplicates, quarantined, expired, minutes)
		SELECT now() - make_interval(days => n), 's', '1', '2', 0, 0, 0, 0, '{}' FROM unnest(ARRAY[1, 13, 15]) n`); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Handle(t.Context(), contract.MaintenanceTask{Task: contract.TaskUpkeep}); err != nil {
			t.Fatal(err)
		}
		var days, batches int
		err := conn.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass),
			(SELECT count(*) FROM load_batch)`).Scan(&days, &batches)
		if err != nil || days != 2+1+7 || batches != 2 || m[contract.MetricHorizon] != 7 || m[contract.MetricSchema] < 1 {
			t.Errorf("%d days, %d batches, horizon %g, schema %g, %v", days, batches, m[contract.MetricHorizon], m[contract.MetricSchema], err)
		}
	}
}

func TestADayIsMadeBesideALongQuery(t *testing.T) {
	d := shared.Warehouse(t, now, now)
	h, _, _ := newHandler(t, d, 0)
	query := d.Conn(t)
	if _, err := query.Exec(t.Context(), "BEGIN; SELECT count(*) FROM events"); err != nil { // holds its locks until the end of the test
		t.Fatal(err)
	}
	if err := h.Handle(t.Context(), contract.MaintenanceTask{Task: contract.TaskUpkeep}); err != nil {
		t.Error(err)
	}
	if _, err := d.As(t, contract.RoleLoader).Load(t.Context(), chunk(now.AddDate(0, 0, 7))); err != nil {
		t.Error(err)
	}
}

func TestRefreshMakesTheDaysThatHoldUpAShard(t *testing.T) {
	d := shared.Warehouse(t, now, now)
	h, c, m := newHandler(t, d, 0)
	loader := d.As(t, contract.RoleLoader)
	late := chunk(now.AddDate(0, 0, -60))
	if _, err := loader.Load(t.Context(), late); err == nil {
		t.Fatal("loaded without a partition")
	}
	if _, err := loader.Load(t.Context(), chunk(now)); err != nil {
		t.Fatal(err)
	}
	if err := h.Handle(t.Context(), contract.MaintenanceTask{Task: contract.TaskRefresh}); err != nil {
		t.Fatal(err)
	}
	if _, err := loader.Load(t.Context(), late); err != nil {
		t.Error(err)
	}
	found, err := c.Minutes(t.Context(), warehouse.MetricEvents, []time.Time{now})
	if err != nil || len(found.Rows) != 1 || m[contract.MetricCacheErrors] != 0 {
		t.Errorf("%+v, %v, metrics %v", found, err, m)
	}
}

func TestFailuresAreReported(t *testing.T) {
	d := shared.Warehouse(t, now, now)
	h, _, m := newHandler(t, d, 0)
	h.Cache = cache.New(cache.Local("127.0.0.1:1", ""), func() time.Time { return now })
	if err := h.Handle(t.Context(), contract.MaintenanceTask{Task: contract.TaskRefresh}); err == nil || m[contract.MetricCacheErrors] != 1 {
		t.Errorf("%v, metrics %v", err, m)
	}
	if err := h.Handle(t.Context(), contract.MaintenanceTask{Task: "tidy"}); err == nil {
		t.Error("an unknown task returned no error")
	}
}

// TestRetentionRefusesALimitThatIsNotInThePast uses numbers of days whose limit
// overflows into the future.
func TestRetentionRefusesALimitThatIsNotInThePast(t *testing.T) {
	d := shared.Warehouse(t, now.AddDate(0, 0, -40), now)
	for _, days := range []int{math.MaxInt, math.MinInt, math.MaxInt - 1, math.MaxInt32, -1, -400, 36_501} {
		h, _, _ := newHandler(t, d, days)
		if err := h.Handle(t.Context(), contract.MaintenanceTask{Task: contract.TaskUpkeep}); err == nil || !strings.Contains(err.Error(), "WarehouseRetentionDays") {
			t.Errorf("%d days: %v", days, err)
		}
		var left int
		if err := d.Conn(t).QueryRow(t.Context(), "SELECT count(*) FROM pg_inherits, events_floor WHERE inhparent = 'events'::regclass AND NOT isfinite(floor)").Scan(&left); err != nil || left < 41 {
			t.Fatalf("%d days: %d partitions remain, %v", days, left, err)
		}
	}
}

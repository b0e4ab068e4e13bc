package query_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/testkit/servers/redis"
	"github.com/streamctl/streamctl/internal/warehouse"
)

var shared postgres.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// Redis expires keys by its own clock, so the tests' day is today.
var now = time.Now().UTC().Truncate(24 * time.Hour).Add(12*time.Hour + 30*time.Second)

type metrics map[string]float64

func (m metrics) Emit(_ context.Context, all ...emf.Metric) {
	for _, one := range all {
		m[one.Name] += one.Value
	}
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// declare returns a handler for declared metrics.
func declare(t testing.TB, d query.Deps, declared ...metric.Definition) *query.Handler {
	t.Helper()
	metrics, err := metric.Encode(declared)
	if err != nil {
		t.Fatal(err)
	}
	h, err := query.New(contract.Query{Metrics: metrics}, d)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

type rig struct {
	*query.Handler
	metrics metrics
	cache   *cache.Cache
	loader  *warehouse.DB
	conn    *pgx.Conn
	owner   *warehouse.DB
	// stopCache and stopWarehouse simulate an outage.

	stopCache, stopWarehouse func()
}

func newRig(t *testing.T) *rig {
	d := shared.Warehouse(t, now.AddDate(0, 0, -10), now)
	server := redis.Start(t)
	client := redis.Client(t, server)
	clock := func() time.Time { return now }
	reader := d.As(t, contract.RoleReader)
	r := &rig{metrics: metrics{}, cache: cache.New(client, clock), loader: d.As(t, contract.RoleLoader), conn: d.Conn(t)}
	r.Handler = declare(t, query.Deps{
		Cache: r.cache, Answers: r.cache, Warehouse: reader, Sequences: &warehouse.Sequences{DB: reader}, Clock: pause.Clock{Time: clock}, Metrics: r.metrics, Log: quiet,
	})
	r.owner = d.As(t, contract.RoleOwner)
	r.stopCache = func() {
		if err := server.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.stopWarehouse = func() {
		r.Warehouse = warehouse.NewURL("postgres://nobody@127.0.0.1:1/none?sslmode=disable&connect_timeout=1")
	}
	return r
}

// load loads n events at a time before now.
func (r *rig) load(t *testing.T, n int, ago time.Duration, kind string) {
	t.Helper()
	rows := make([]warehouse.Row, n)
	for i := range rows {
		rows[i] = row(fmt.Sprint("user", i), now.Add(-ago), kind, "{}")
	}
	r.loadRows(t, rows)
}

func row(user string, at time.Time, kind, properties string) warehouse.Row {
	return warehouse.Row{Event: event.Event{
		ID: uuid.New(), UserID: user, Type: kind, Timestamp: at, Properties: []byte(properties),
	}, ReceivedAt: now, ArrivedAt: now}
}

func (r *rig) loadRows(t *testing.T, rows []warehouse.Row) {
	t.Helper()
	if _, err := r.loader.Load(t.Context(), warehouse.Chunk{Shard: "s", FirstSeq: "1", LastSeq: "2", Records: 1, Decode: func(int) ([]warehouse.Row, []warehouse.Rejected) { return rows, nil }}); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) get(t *testing.T, metric string, parameters map[string]string, status int, into any) string {
	t.Helper()
	resp, err := r.Handle(t.Context(), events.APIGatewayProxyRequest{
		PathParameters: map[string]string{"metric": metric}, QueryStringParameters: parameters,
	})
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s %v: %d %s, want %d", metric, parameters, resp.StatusCode, resp.Body, status)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(resp.Body), into); err != nil {
			t.Fatalf("%s: %v", resp.Body, err)
		}
	}
	return resp.Body
}

func TestEventsFillTheCache(t *testing.T) {
	r := newRig(t)
	r.load(t, 3, 5*time.Minute, "view")
	r.load(t, 2, 5*time.Minute, "click")
	r.load(t, 4, 40*time.Minute, "view")
	for _, want := range []string{"warehouse", "cache"} {
		var a api.MetricResponse
		body := r.get(t, "events", map[string]string{"step": "30m"}, 200, &a)
		if a.Source != want || a.Stale || len(a.Points) != 3 || !strings.Contains(body, `"stepSeconds":1800`) {
			t.Errorf("from %s: %s", want, body)
			continue
		}
		if a.Points[0].Count != 4 || a.Points[1].EventType != "click" || a.Points[1].Count != 2 || a.Points[2].Count != 3 {
			t.Errorf("from %s: %s", want, body)
		}
	}
	// The first request found none of sixty minutes, the second found all.
	if hits, misses := r.metrics[contract.MetricCacheHits], r.metrics[contract.MetricCacheMisses]; hits != 60 || misses != 60 {
		t.Errorf("%v hits, %v misses", hits, misses)
	}
	var a api.MetricResponse
	r.get(t, "events", map[string]string{"eventType": "click"}, 200, &a)
	if len(a.Points) != 1 || a.Points[0].Count != 2 || a.Points[0].At != now.Add(-5*time.Minute).Truncate(time.Minute) {
		t.Errorf("clicks are %+v", a.Points)
	}
	// Ninety minutes, of which sixty are cached by now.
	r.get(t, "events", map[string]string{"from": now.Add(-90 * time.Minute).Format(time.RFC3339)}, 200, &a)
	if a.Source != "cache+warehouse" {
		t.Errorf("source is %s", a.Source)
	}
}

func TestLongAndOldRangesComeFromTheWarehouse(t *testing.T) {
	r := newRig(t)
	r.load(t, 5, 9*24*time.Hour, "view")
	var a api.MetricResponse
	r.get(t, "events", map[string]string{"from": now.AddDate(0, 0, -10).Format(time.RFC3339), "step": "24h"}, 200, &a)
	if a.Source != "warehouse" || len(a.Points) != 1 || a.Points[0].Count != 5 {
		t.Errorf("%+v", a)
	}
	// Future times create no keys.
	r.get(t, "events", map[string]string{"from": "2090-01-01T00:00:00Z", "to": "2090-01-01T01:00:00Z"}, 200, &a)
	if a.Source != "warehouse" {
		t.Errorf("%+v", a)
	}
}

func TestUsersAndSummary(t *testing.T) {
	r := newRig(t)
	r.load(t, 7, time.Minute, "view")
	r.load(t, 3, 24*time.Hour, "view")
	var u api.MetricResponse
	yesterday := now.AddDate(0, 0, -1).Format(time.DateOnly)
	r.get(t, "users", map[string]string{"from": yesterday}, 200, &u)
	if u.Source != "warehouse" || len(u.Days) != 2 || *u.Days[0].Users != 3 || !u.Days[1].Exact || *u.Days[1].Users != 7 {
		t.Errorf("%+v", u)
	}
	if _, err := r.cache.Refresh(t.Context(), r.loader); err != nil {
		t.Fatal(err)
	}
	r.get(t, "users", nil, 200, &u)
	if u.Source != "cache" || u.Stale || u.Days[0].Exact || *u.Days[0].Users != 7 || u.AsOf == nil {
		t.Errorf("%+v", u)
	}
	var s api.MetricResponse
	r.get(t, "summary", nil, 200, &s)
	if *s.Events != 7 || s.ByType["view"] != 7 || *s.UsersToday.Users != 7 {
		t.Errorf("%+v", s)
	}
}

func TestOutages(t *testing.T) {
	r := newRig(t)
	r.load(t, 3, 5*time.Minute, "view")
	if _, err := r.cache.Refresh(t.Context(), r.loader); err != nil {
		t.Fatal(err)
	}
	var s api.MetricResponse
	r.get(t, "summary", nil, 200, &s) // fills the hour
	working := r.Warehouse
	r.stopWarehouse()
	r.get(t, "summary", nil, 200, &s)
	if *s.Events != 3 || s.Source != "cache" || s.Stale {
		t.Errorf("without the warehouse: %+v", s)
	}
	r.Clock.Time = func() time.Time { return now.Add(10 * time.Second) }
	r.get(t, "summary", nil, 200, &s)
	if s.AsOf == nil || !s.AsOf.Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("asOf is %v, want the time of the fill, %v", s.AsOf, now)
	}
	r.Clock.Time = func() time.Time { return now.Add(4 * time.Minute) }
	to := map[string]string{"from": now.Add(-20 * time.Minute).Format(time.RFC3339), "to": now.Format(time.RFC3339)}
	var a api.MetricResponse
	r.get(t, "events", to, 200, &a)
	if !a.Stale {
		t.Errorf("four minutes later: %+v", a)
	}
	r.get(t, "events", map[string]string{"from": now.Add(-5 * time.Hour).Format(time.RFC3339)}, 503, nil)

	r.Warehouse = working
	r.stopCache()
	r.get(t, "summary", nil, 200, &s)
	if s.Source != "warehouse" || *s.Events != 3 || r.metrics[contract.MetricCacheErrors] == 0 {
		t.Errorf("without the cache: %+v, metrics %v", s, r.metrics)
	}
	r.stopWarehouse()
	if body := r.get(t, "summary", nil, 503, nil); !strings.Contains(body, "try again") || strings.Contains(body, "127.0.0.1") {
		t.Errorf("without both: %s", body)
	}
}

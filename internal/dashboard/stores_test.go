package dashboard_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// handlerAPI calls a query handler as the API does.
type handlerAPI struct {
	*query.Handler
	// one allows one invocation at a time, as in one environment of Lambda.
	one sync.Mutex
	// away is the error of an unreachable API; nil if it is reachable.
	away atomic.Pointer[error]
	// notModified counts the responses without a body.
	notModified atomic.Int64
}

func (a *handlerAPI) Get(ctx context.Context, pathAndQuery string, header http.Header) (*http.Response, error) {
	if why := a.away.Load(); why != nil {
		return nil, *why
	}
	u, err := url.Parse(pathAndQuery)
	if err != nil {
		return nil, err
	}
	req := events.APIGatewayProxyRequest{
		PathParameters:        map[string]string{"metric": strings.TrimPrefix(u.Path, "/metrics/")},
		QueryStringParameters: map[string]string{}, Headers: map[string]string{},
	}
	for name, values := range u.Query() {
		req.QueryStringParameters[name] = values[0]
	}
	for name, values := range header {
		req.Headers[name] = values[0]
	}
	a.one.Lock()
	answer, err := a.Handle(ctx, req)
	a.one.Unlock()
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusNotModified {
		a.notModified.Add(1)
	}
	resp := &http.Response{StatusCode: answer.StatusCode, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(answer.Body))}
	for name, value := range answer.Headers {
		resp.Header.Set(name, value)
	}
	return resp, nil
}

type noMetrics struct{}

func (noMetrics) Emit(context.Context, ...emf.Metric) {}

var definitions = []metric.Definition{
	{Name: "revenue", EventType: "purchase", Sum: "properties.amount", Min: "properties.amount", Max: "properties.amount", By: []string{"properties.country"}},
	{Name: "signups", EventType: "sign_up", By: []string{"properties.plan"}},
}

// stores replace the cache and the warehouse with those of a shop with about forty
// events per second. Each minute's numbers are fixed; the current minute's grow.
type stores struct {
	// more is the number of further event types.
	more int
	now  func() time.Time
	// factor multiplies the numbers; 0 is a platform without events.
	factor atomic.Int64
	// behind is the age of the cache.
	behind time.Duration
	// down makes both unavailable.
	down atomic.Bool
}

// newQuery returns the query function with declared metrics.
func newQuery(t testing.TB, declared []metric.Definition, d query.Deps) *query.Handler {
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

func newAPI(t testing.TB, s *stores) *handlerAPI {
	return &handlerAPI{Handler: newQuery(t, definitions, query.Deps{
		Cache: cacheOf{s}, Warehouse: warehouseOf{s}, Clock: pause.Clock{Time: s.now}, Metrics: noMetrics{}, Log: slog.New(slog.DiscardHandler),
	})}
}

var errDown = errors.New("connection refused")

type share struct {
	name   string
	weight float64
}

var (
	kinds = []share{
		{"page_view", 22}, {"product_view", 8}, {"search", 4.5}, {"add_to_cart", 2.2}, {"purchase", 1.1}, {"sign_up", .35},
		{"video_play", 1.6}, {"share", .5}, {"checkout.error", .08},
	}
	countries = []share{{"DE", .34}, {"US", .27}, {"FR", .15}, {"GB", .11}, {"NL", .06}, {"JP", .04}, {"__other__", .03}}
	plans     = []share{{"free", .72}, {"team", .21}, {"enterprise", .07}}
)

// full is the number of events in a complete minute.
func (s *stores) full(name string, weight float64, minute time.Time) float64 {
	h := fnv.New64a()
	fmt.Fprint(h, name, minute.Unix())
	noise := .82 + .36*float64(h.Sum64()%1000)/1000
	hour := float64(minute.Hour()) + float64(minute.Minute())/60
	return float64(s.factor.Load()) * weight * 60 * noise * (1 + .45*math.Sin((hour-9)/24*2*math.Pi)) * (1 + .12*math.Sin(float64(minute.Unix())/1700))
}

func (s *stores) count(name string, weight float64, minute time.Time) int64 {
	part := min(max(s.now().Sub(minute).Seconds()/60, 0), 1)
	return int64(s.full(name, weight, minute) * part)
}

// row returns the numbers of a metric's value in a minute.
func (s *stores) row(key, dimension string, weight float64, minute time.Time) warehouse.Point {
	p := warehouse.Point{At: minute, Dimension: dimension, N: s.count(key+dimension, weight, minute)}
	if strings.HasPrefix(key, "revenue") && !strings.HasSuffix(key, ".skipped") {
		cents := p.N * (5400 + minute.Unix()%700)
		p.Sum, p.Min, p.Max = fmt.Sprintf("%d.%02d", cents/100, cents%100), fmt.Sprintf("%d.90", 2+minute.Unix()/60%7), fmt.Sprintf("%d.95", 180+minute.Unix()/60%240)
	}
	return p
}

func (s *stores) shares(key string) (all []share) {
	switch {
	case key == warehouse.MetricEvents:
		all = append(all, kinds...)
		for n := range s.more {
			all = append(all, share{fmt.Sprintf("more_%d", n), 1})
		}
		return all
	case strings.HasSuffix(key, ".skipped"):
		return []share{{"", .004}}
	case strings.HasPrefix(key, "revenue"):
		for _, c := range countries {
			all = append(all, share{c.name, c.weight * 1.1})
		}
	default:
		for _, p := range plans {
			all = append(all, share{p.name, p.weight * .35})
		}
	}
	return all
}

func (s *stores) MinuteRows(_ context.Context, key string, minutes []time.Time) (rows []warehouse.MinuteRow, _ error) {
	if s.down.Load() {
		return nil, errDown
	}
	for _, m := range minutes {
		for _, one := range s.shares(key) {
			if p := s.row(key, one.name, one.weight, m); p.N > 0 {
				rows = append(rows, warehouse.MinuteRow{Metric: key, Minute: m, Dimension: p.Dimension, Rev: 1, N: p.N, Sum: p.Sum, Min: p.Min, Max: p.Max})
			}
		}
	}
	return rows, nil
}

func (s *stores) Minutes(ctx context.Context, key string, minutes []time.Time) (cache.Minutes, error) {
	rows, err := s.MinuteRows(ctx, key, minutes)
	return cache.Minutes{Rows: rows, AsOf: s.asOf()}, err
}

func (s *stores) Series(_ context.Context, key string, from, to time.Time, step time.Duration) (points []warehouse.Point, _ error) {
	if s.down.Load() {
		return nil, errDown
	}
	for at := from; at.Before(to); at = at.Add(step) {
		for _, one := range s.shares(key) {
			sum := s.row(key, one.name, one.weight*step.Minutes(), at) // its first minute represents the whole step
			if sum.N > 0 {
				points = append(points, sum)
			}
		}
	}
	return points, nil
}

// asOf is the time of the cache's last refresh.
func (s *stores) asOf() time.Time { return s.now().Add(-s.behind).Truncate(5 * time.Second) }

// countUsers counts each day's users; the last day is incomplete.
func (s *stores) countUsers(days []string) map[string]int64 {
	counts := map[string]int64{}
	for _, name := range days {
		at, err := time.Parse(cache.DayLayout, name)
		if err == nil && s.factor.Load() > 0 {
			counts[name] = int64(s.full("users", 160, at.Add(15*time.Hour)) * min(1, s.now().Sub(at).Hours()/24+.02))
		} else {
			counts[name] = 0
		}
	}
	return counts
}

func (s *stores) Since(context.Context, string) (time.Time, bool, error) {
	return s.now().AddDate(0, 0, -20), true, nil
}

func (s *stores) MetricKey(context.Context, string) (string, int, bool, error) {
	return "", 0, false, nil
}

func (s *stores) Fill(ctx context.Context, source cache.Source, key string, minutes []time.Time) ([]warehouse.MinuteRow, error) {
	return source.MinuteRows(ctx, key, minutes)
}

// cacheOf has the CountUsers of the cache; the warehouse's has other parameters.
type cacheOf struct{ *stores }

func (c cacheOf) CountUsers(_ context.Context, days []string) (map[string]int64, time.Time, error) {
	if c.down.Load() {
		return nil, time.Time{}, errDown
	}
	return c.countUsers(days), c.asOf(), nil
}

type warehouseOf struct{ *stores }

func (w warehouseOf) CountUsers(context.Context, time.Time, time.Time) (map[string]int64, error) {
	return nil, errDown
}

func (w warehouseOf) CountType(context.Context, string, time.Time, time.Time, time.Duration) (warehouse.TypeCount, error) {
	return warehouse.TypeCount{}, errDown
}

func (w warehouseOf) IsNeverFolded(context.Context, string, string) (bool, error) { return true, nil }

func (w warehouseOf) Values(context.Context, string) ([]warehouse.Value, error) { return nil, errDown }

func (w warehouseOf) Alerts(context.Context) ([]warehouse.Alert, error) { return nil, nil }

func (w warehouseOf) AlertChanges(context.Context, time.Time) ([]warehouse.AlertChange, error) {
	return nil, nil
}

func (w warehouseOf) Floor(context.Context) (time.Time, error) { return time.Time{}, nil }

func health(s *stores) func(context.Context) (dashboard.Health, error) {
	return func(context.Context) (dashboard.Health, error) {
		now := s.now().UTC()
		n := func(part float64) *int64 {
			v := int64(part * float64(s.factor.Load()) * 40 * 3600)
			return &v
		}
		lag, at := .84, now.Add(-3*time.Second)
		h := dashboard.Health{
			At: now, Since: now.Add(-time.Hour), Accepted: n(1), Refused: n(.002), Unavailable: n(0), Archived: n(.9996), Inserted: n(.9991),
			Duplicates: n(.0007), Quarantined: n(0), Expired: n(0), CacheErrors: n(0),
		}
		if s.factor.Load() > 0 {
			h.LagSeconds, h.LagAt = &lag, &at
		}
		return h, nil
	}
}

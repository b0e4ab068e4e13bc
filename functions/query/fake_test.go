package query_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// fakeWarehouse has one event of each type in every minute, and a computed
// metric.
type fakeWarehouse struct {
	types []string
	down  bool
	// asked counts the calls.
	asked map[string]int
}

var errDown = errors.New("connection refused")

func (w *fakeWarehouse) ask(what string) error {
	if w.asked == nil {
		w.asked = map[string]int{}
	}
	w.asked[what]++
	if w.down {
		return errDown
	}
	return nil
}

func (w *fakeWarehouse) MinuteRows(_ context.Context, key string, minutes []time.Time) (rows []warehouse.MinuteRow, _ error) {
	for _, m := range minutes {
		for _, kind := range w.types {
			rows = append(rows, warehouse.MinuteRow{Metric: key, Minute: m, Dimension: kind, Rev: 1, N: 1, Sum: "2.50", Min: "2.50", Max: "2.50"})
		}
	}
	return rows, w.ask("rows")
}

func (w *fakeWarehouse) Series(_ context.Context, _ string, from, to time.Time, step time.Duration) (points []warehouse.Point, _ error) {
	for at := from; at.Before(to); at = at.Add(step) {
		n := int64(min(step, to.Sub(at)) / time.Minute)
		for _, kind := range w.types {
			points = append(points, warehouse.Point{At: at, Dimension: kind, N: n, Sum: "12345678901234567890.50", Min: "-0.0", Max: "7"})
		}
	}
	return points, w.ask("series")
}

func (w *fakeWarehouse) CountUsers(_ context.Context, first, _ time.Time) (map[string]int64, error) {
	return map[string]int64{first.Format(cache.DayLayout): 3}, w.ask("users")
}

func (w *fakeWarehouse) CountType(_ context.Context, eventType string, from, to time.Time, step time.Duration) (warehouse.TypeCount, error) {
	return warehouse.TypeCount{Points: []warehouse.Point{{At: from, Dimension: eventType, N: 1}}}, w.ask("type")
}

func (w *fakeWarehouse) IsNeverFolded(context.Context, string, string) (bool, error) {
	return false, w.ask("folded")
}

func (w *fakeWarehouse) Values(context.Context, string) ([]warehouse.Value, error) {
	return nil, w.ask("values")
}

func (w *fakeWarehouse) Alerts(context.Context) ([]warehouse.Alert, error) {
	return nil, w.ask("alerts")
}

func (w *fakeWarehouse) AlertChanges(context.Context, time.Time) ([]warehouse.AlertChange, error) {
	return nil, w.ask("changes")
}

func (w *fakeWarehouse) Floor(context.Context) (time.Time, error) { return time.Time{}, w.ask("floor") }

func (w *fakeWarehouse) Since(context.Context, string) (time.Time, bool, error) {
	return now.AddDate(0, 0, -1), true, w.ask("since")
}

func (w *fakeWarehouse) MetricKey(_ context.Context, name string) (string, int, bool, error) {
	return "made." + name, 1, name == "made", w.ask("key")
}

// fakeCache is empty or unreachable.
type fakeCache struct {
	query.Cache
	down bool
	have []warehouse.MinuteRow
	asOf time.Time
}

func (c *fakeCache) Minutes(_ context.Context, _ string, minutes []time.Time) (cache.Minutes, error) {
	if c.down {
		return cache.Minutes{}, errDown
	}
	if c.asOf.IsZero() {
		return cache.Minutes{Missing: minutes}, nil
	}
	return cache.Minutes{Rows: slices.Clone(c.have), AsOf: c.asOf}, nil
}

func (c *fakeCache) Fill(ctx context.Context, source cache.Source, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error) {
	return source.MinuteRows(ctx, metric, minutes)
}

func (c *fakeCache) CountUsers(context.Context, []string) (map[string]int64, time.Time, error) {
	if c.down {
		return nil, time.Time{}, errDown
	}
	return nil, time.Time{}, nil
}

var definitions = []metric.Definition{
	{Name: "purchases"},
	{Name: "revenue", EventType: "purchase", Sum: "properties.amount", Max: "properties.amount", By: []string{"properties.country"}},
}

func fakes(t testing.TB, types ...string) (*query.Handler, *fakeWarehouse, *fakeCache) {
	w, c := &fakeWarehouse{types: types}, &fakeCache{}
	return declare(t, query.Deps{
		Cache: c, Warehouse: w, Clock: pause.Clock{Time: func() time.Time { return now }}, Metrics: metrics{}, Log: quiet,
	}, definitions...), w, c
}

func get(t *testing.T, h *query.Handler, metric string, parameters map[string]string, headers ...string) events.APIGatewayProxyResponse {
	t.Helper()
	req := events.APIGatewayProxyRequest{
		PathParameters: map[string]string{"metric": metric}, QueryStringParameters: parameters, Headers: map[string]string{},
	}
	for i := 0; i < len(headers); i += 2 {
		req.Headers[headers[i]] = headers[i+1]
	}
	resp, err := h.Handle(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

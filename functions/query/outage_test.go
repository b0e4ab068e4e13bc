package query_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func TestADeclaredMetricWithoutTheWarehouse(t *testing.T) {
	h, w, c := fakes(t, "DE")
	if resp := get(t, h, "revenue", nil); !strings.Contains(resp.Body, `"since"`) {
		t.Fatalf("%+v", resp)
	}
	w.down, c.asOf = true, now
	c.have = []warehouse.MinuteRow{{Minute: now.Truncate(time.Minute), Dimension: "DE", N: 2, Sum: "3.00", Min: "1", Max: "2.00"}}
	h.Clock.Time = func() time.Time { return now.Add(10 * time.Second) }
	resp := get(t, h, "revenue", nil)
	if resp.StatusCode != 200 || !strings.Contains(resp.Body, `"source":"cache"`) || !strings.Contains(resp.Body, `"count":2,"sum":3,"max":2}`) || !strings.Contains(resp.Body, `"since"`) {
		t.Errorf("a cached start of the series: %+v", resp)
	}
	other, w2, c2 := fakes(t, "DE")
	w2.down, c2.asOf = true, now
	for range 3 {
		if resp := get(t, other, "revenue", nil); resp.StatusCode != 200 || strings.Contains(resp.Body, `"since"`) {
			t.Errorf("an unknown start of the series: %+v", resp)
		}
	}
	if w2.asked["since"] != 1 {
		t.Errorf("asked %d times while it was down", w2.asked["since"])
	}
	if resp := get(t, other, "made", nil); resp.StatusCode != 503 || resp.Headers["Retry-After"] != "5" {
		t.Errorf("a metric that only the warehouse knows: %+v", resp)
	}
}

func TestTheCacheAnswersLongRangesWhenTheWarehouseCannot(t *testing.T) {
	h, w, c := fakes(t, "view")
	w.down, c.asOf = true, now
	c.have = []warehouse.MinuteRow{{Minute: now.Add(-30 * time.Hour).Truncate(time.Minute), Dimension: "view", N: 2, Sum: "0"}}
	parameters := map[string]string{"from": now.Add(-40 * time.Hour).Format(time.RFC3339), "step": "30m"}
	var a api.MetricResponse
	if err := json.Unmarshal([]byte(get(t, h, "events", parameters).Body), &a); err != nil || a.Source != "cache" || len(a.Points) != 1 || a.Points[0].Count != 2 {
		t.Errorf("%+v, %v", a, err)
	}
	parameters["from"] = now.Add(-50 * time.Hour).Format(time.RFC3339)
	if resp := get(t, h, "events", parameters); resp.StatusCode != 503 {
		t.Errorf("a range longer than the cache's window: %+v", resp)
	}
	c.asOf = time.Time{}
	parameters["from"] = now.Add(-40 * time.Hour).Format(time.RFC3339)
	resp := get(t, h, "events", parameters)
	const says = `"detail":"the cache and the warehouse are unavailable; try again in a few seconds"`
	if resp.StatusCode != 503 || !strings.Contains(resp.Body, says) || resp.Headers["Retry-After"] != "5" || resp.Headers["Cache-Control"] != "no-store" {
		t.Errorf("without both: %+v", resp)
	}
}

// hanging is a warehouse that uses all the time it has.
type hanging struct{ *fakeWarehouse }

func (hanging) Series(ctx context.Context, _ string, _, _ time.Time, _ time.Duration) ([]warehouse.Point, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAHangingWarehouseLeavesTimeForTheAnswer(t *testing.T) {
	h, w, c := fakes(t, "view")
	h.Warehouse, c.asOf = hanging{w}, now
	ctx, cancel := context.WithTimeout(t.Context(), 3100*time.Millisecond)
	defer cancel()
	resp, err := h.Handle(ctx, events.APIGatewayProxyRequest{
		PathParameters: map[string]string{"metric": "events"}, QueryStringParameters: map[string]string{"from": now.Add(-40 * time.Hour).Format(time.RFC3339), "step": "1h"},
	})
	if err != nil || resp.StatusCode != 200 || !strings.Contains(resp.Body, `"source":"cache"`) || ctx.Err() != nil {
		t.Errorf("%+v, %v, %v", resp, err, ctx.Err())
	}
}

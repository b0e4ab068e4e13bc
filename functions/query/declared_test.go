package query_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// shop declares metrics and loads purchases of 40 and 5 minutes ago and of 5
// days ago.
func shop(t *testing.T) *rig {
	r := newRig(t)
	declared := []metric.Definition{
		{Name: "purchases", EventType: "purchase"},
		{Name: "revenue", EventType: "purchase", Sum: "properties.amount", Min: "properties.amount", Max: "properties.amount", By: []string{"properties.country"}},
		{Name: "largest", Max: "properties.amount", By: []string{"eventType", "properties.country"}},
	}
	r.Handler = declare(t, r.Deps, declared...)
	if err := r.owner.SetMetrics(t.Context(), declared); err != nil {
		t.Fatal(err)
	}
	early, late, old := now.Add(-40*time.Minute), now.Add(-5*time.Minute), now.AddDate(0, 0, -5)
	r.loadRows(t, []warehouse.Row{
		row("a", early, "purchase", `{"amount":12.50,"country":"DE"}`),
		row("b", early, "purchase", `{"amount":-7.05,"country":"DE"}`),
		row("b", early, "purchase", `{"amount":1e2,"country":"F\"R"}`),
		row("c", late, "purchase", `{"amount":12345678901234567890.123,"country":"DE"}`),
		row("c", late, "purchase", `{"amount":0.877,"country":"DE"}`),
		row("c", late, "purchase", `{"amount":"9","country":"DE"}`),
		row("d", late, "purchase", `{}`),
		row("d", late, "refund", `{"amount":3,"country":"DE"}`),
		row("e", old, "purchase", `{"amount":5,"country":"DE"}`),
		row("e", old, "purchase", `{"country":"DE"}`),
	})
	return r
}

func TestDeclaredMetrics(t *testing.T) {
	r := shop(t)
	for _, c := range []struct {
		metric, step, by string
		skipped          int64
		points           []string
	}{
		{"purchases", "1h", "null", 0, []string{`{"count":7}`}},
		{"revenue", "30m", `["properties.country"]`, 2, []string{
			`{"values":["DE"],"count":2,"sum":5.45,"min":-7.05,"max":12.5}`,
			`{"values":["F\"R"],"count":1,"sum":100,"min":100,"max":100}`,
			`{"values":["DE"],"count":2,"sum":12345678901234567891,"min":0.877,"max":12345678901234567890.123}`,
		}},
		{"largest", "1h", `["eventType","properties.country"]`, 2, []string{
			`{"values":["purchase","DE"],"count":4,"max":12345678901234567890.123}`,
			`{"values":["purchase","F\"R"],"count":1,"max":100}`,
			`{"values":["refund","DE"],"count":1,"max":3}`,
		}},
	} {
		for _, source := range []string{"warehouse", "cache"} {
			var a api.MetricResponse
			body := r.get(t, c.metric, map[string]string{"step": c.step}, 200, &a)
			by, err := json.Marshal(a.By)
			if err != nil || a.Metric != c.metric || a.Source != source || a.Stale || string(by) != c.by || a.Skipped == nil || *a.Skipped != c.skipped || a.Next != "" {
				t.Errorf("%s from the %s: %s", c.metric, source, body)
			}
			if a.Since == nil || time.Since(*a.Since) > time.Hour || !strings.Contains(body, `"since":"`+a.Since.Format(time.RFC3339)+`"`) {
				t.Errorf("%s from the %s is complete since %v", c.metric, source, a.Since)
			}
			var points []string
			for _, p := range a.Points {
				if p.At.Before(*a.From) || !p.At.Before(*a.To) {
					t.Errorf("%s from the %s: a point at %s", c.metric, source, p.At)
				}
			}
			for _, text := range strings.Split(body[strings.Index(body, `"points":[`):], `{"at":"`)[1:] {
				points = append(points, "{"+strings.TrimRight(text[len(`2026-01-31T12:00:00Z",`):], ",]}")+"}")
			}
			for i, want := range c.points {
				c.points[i] = strings.TrimRight(want, ",]}") + "}"
			}
			if !slices.Equal(points, c.points) {
				t.Errorf("%s from the %s:\n%q\nwant\n%q", c.metric, source, points, c.points)
			}
		}
	}
}

func TestDeclaredMetricsLongAgo(t *testing.T) {
	r := shop(t)
	long := map[string]string{"from": now.AddDate(0, 0, -6).Format(time.RFC3339), "step": "24h"}
	var a api.MetricResponse
	body := r.get(t, "revenue", long, 200, &a)
	if a.Source != "warehouse" || len(a.Points) != 3 || *a.Skipped != 3 || string(a.Points[0].Sum) != "5" || a.Points[0].Count != 1 || string(a.Points[1].Sum) != "12345678901234567896.45" {
		t.Errorf("%s", body)
	}
	long["to"] = now.AddDate(0, 0, -4).Format(time.RFC3339)
	a = api.MetricResponse{}
	if r.get(t, "revenue", long, 200, &a); *a.Skipped != 1 || len(a.Points) != 1 || a.AsOf != nil {
		t.Errorf("%+v", a)
	}
}

func TestMetricsThatCodeMakes(t *testing.T) {
	r := newRig(t)
	sized, plain := row("a", now, "checkout", "{}"), row("b", now, "checkout", "{}")
	sized.Measures = []metric.Contribution{{Key: "carts", Dimension: "large", Value: "119.90"}}
	plain.Measures = []metric.Contribution{{Key: "checkouts"}}
	r.loadRows(t, []warehouse.Row{sized, plain})
	for _, source := range []string{"warehouse", "cache"} {
		body := r.get(t, "carts", nil, 200, nil)
		if !strings.Contains(body, `"source":"`+source+`"`) || !strings.Contains(body, `"values":["large"],"count":1,"sum":119.9,"min":119.9,"max":119.9}]}`) ||
			strings.Contains(body, `"by"`) || strings.Contains(body, `"skipped"`) {
			t.Errorf("from the %s: %s", source, body)
		}
		if body := r.get(t, "checkouts", nil, 200, nil); !strings.Contains(body, `Z","count":1}]}`) {
			t.Errorf("from the %s: %s", source, body)
		}
	}
	r.get(t, "cart", nil, 404, nil)
}

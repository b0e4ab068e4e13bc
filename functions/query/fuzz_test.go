package query

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// empty is an empty warehouse, an empty cache and a sink for metrics.
type empty struct{}

func (empty) Alerts(context.Context) ([]warehouse.Alert, error) { return nil, nil }

func (empty) AlertChanges(context.Context, time.Time) ([]warehouse.AlertChange, error) {
	return nil, nil
}

func (empty) MinuteRows(context.Context, string, []time.Time) ([]warehouse.MinuteRow, error) {
	return nil, nil
}

func (empty) Series(_ context.Context, _ string, from, _ time.Time, _ time.Duration) ([]warehouse.Point, error) {
	return []warehouse.Point{{At: from, Dimension: "x", N: 1}}, nil
}

func (empty) CountUsers(context.Context, time.Time, time.Time) (map[string]int64, error) {
	return nil, nil
}

func (empty) Since(context.Context, string) (time.Time, bool, error) { return time.Time{}, false, nil }

func (empty) MetricKey(context.Context, string) (string, int, bool, error) { return "", 0, false, nil }

func (empty) Emit(context.Context, ...emf.Metric) {}

func (empty) CountType(context.Context, string, time.Time, time.Time, time.Duration) (warehouse.TypeCount, error) {
	return warehouse.TypeCount{}, nil
}

func (empty) IsNeverFolded(context.Context, string, string) (bool, error) { return false, nil }

func (empty) Values(context.Context, string) ([]warehouse.Value, error) { return nil, nil }

func (empty) Floor(context.Context) (time.Time, error) { return time.Time{}, nil }

type emptyCache struct{}

func (emptyCache) Minutes(_ context.Context, _ string, minutes []time.Time) (cache.Minutes, error) {
	return cache.Minutes{Missing: minutes}, nil
}

func (emptyCache) Fill(context.Context, cache.Source, string, []time.Time) ([]warehouse.MinuteRow, error) {
	return nil, nil
}

func (emptyCache) CountUsers(context.Context, []string) (map[string]int64, time.Time, error) {
	return nil, time.Time{}, nil
}

// FuzzParameters sends arbitrary parameters: each request gets a response
// within the limits or is rejected, and every cursor in a response works.
func FuzzParameters(f *testing.F) {
	now := time.Date(2026, 1, 31, 12, 0, 30, 0, time.UTC)
	h := newEmpty(f, now, metric.Definition{Name: "revenue", Sum: "properties.amount"})
	absent := "\x00" // a missing parameter
	f.Add("events", "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z", "1h", "page_view", "none", absent)
	f.Add("events", "1970-01-01T00:00:00Z", "9998-12-31T23:59:59Z", "1m", "", "eventType", absent)
	f.Add("revenue", "2025-01-01T00:00:00.5+23:59", absent, "24h", absent, absent, absent)
	f.Add("revenue", absent, absent, absent, absent, absent, cursor{"revenue", h.definitions[0].Key(), 1, 2000, 1, "", false}.encode())
	f.Add("events", absent, absent, absent, absent, absent, cursor{"events", "events", -1, 1 << 62, 1440, "x", true}.encode())
	f.Add("users", "2026-01-01", "2026-01-31T00:00:00-05:00", absent, absent, absent, absent)
	f.Add("summary", "yesterday", "9999-12-31T23:59:59Z", "-1m", "page view", "x", "x")
	f.Fuzz(func(t *testing.T, name, from, to, step, eventType, by, cursor string) {
		given := map[string]string{}
		for key, value := range map[string]string{"from": from, "to": to, "step": step, "eventType": eventType, "by": by, "cursor": cursor} {
			if value != absent {
				given[key] = value
			}
		}
		ask := func(given map[string]string) (a api.MetricResponse, status int) {
			resp, err := h.Handle(t.Context(), events.APIGatewayProxyRequest{PathParameters: map[string]string{"metric": name}, QueryStringParameters: given})
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode == http.StatusOK {
				if err := json.Unmarshal([]byte(resp.Body), &a); err != nil {
					t.Fatalf("%s: %v", resp.Body, err)
				}
			}
			return a, resp.StatusCode
		}
		a, status := ask(given)
		switch {
		case status != http.StatusOK:
			if status != http.StatusBadRequest && status != http.StatusNotFound {
				t.Fatalf("%v: %d", given, status)
			}
			return
		case name == "users" || name == "summary":
			return
		}
		duration := time.Duration(a.StepSeconds) * time.Second
		if duration < time.Minute || duration > maxStep || !a.From.Before(*a.To) || a.To.Sub(*a.From) > maxSteps*duration {
			t.Fatalf("%v: from %s to %s by %s", given, a.From, a.To, duration)
		}
		if a.Next == "" {
			return
		}
		next, status := ask(map[string]string{"cursor": a.Next})
		if status != http.StatusOK || !next.From.Equal(*a.To) || next.StepSeconds != a.StepSeconds || next.Metric != a.Metric {
			t.Fatalf("%v: after %s comes %d, %+v", given, a.To, status, next)
		}
	})
}

// FuzzCursor decodes arbitrary texts as cursors: every cursor has exactly one
// encoding.
func FuzzCursor(f *testing.F) {
	good := cursor{"events", "events", 29_000_000, 29_100_000, 60, "page_view", true}.encode()
	for _, text := range []string{good, good[1:], good + "A", "", "AAAA", "AAAAAHt9"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := decodeCursor(text)
		if err != nil {
			return
		}
		again, err := decodeCursor(c.encode())
		if err != nil || again != c {
			t.Errorf("%q: %+v, then %+v, %v", text, c, again, err)
		}
	})
}

package query

import (
	"log/slog"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
)

func forgedHandler(t testing.TB) *Handler {
	t.Helper()
	now := time.Date(2026, 1, 31, 12, 0, 30, 0, time.UTC)
	return newEmpty(t, now, metric.Definition{Name: "revenue", Sum: "properties.amount", By: []string{"properties.a", "properties.b"}})
}

// newEmpty returns a handler with empty stores.
func newEmpty(t testing.TB, now time.Time, declared ...metric.Definition) *Handler {
	t.Helper()
	metrics, err := metric.Encode(declared)
	if err != nil {
		t.Fatal(err)
	}
	h, err := New(contract.Query{Metrics: metrics}, Deps{
		Cache: emptyCache{}, Warehouse: empty{}, Clock: pause.Clock{Time: func() time.Time { return now }}, Metrics: empty{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// sendForged sends a cursor with a valid checksum and expects a response within
// the limits, or 400.
func sendForged(t *testing.T, h *Handler, name string, c cursor) int {
	t.Helper()
	resp, err := h.Handle(t.Context(), events.APIGatewayProxyRequest{
		PathParameters: map[string]string{"metric": name}, QueryStringParameters: map[string]string{"cursor": c.encode()},
	})
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	switch resp.StatusCode {
	case http.StatusBadRequest:
	case http.StatusOK:
		var a api.MetricResponse
		if err := json.Unmarshal([]byte(resp.Body), &a); err != nil {
			t.Fatalf("%+v: %s: %v", c, resp.Body, err)
		}
		step := time.Duration(a.StepSeconds) * time.Second
		if a.From.Unix()/60 != c.From || !a.From.Before(*a.To) || step < time.Minute || step > maxStep || a.To.Sub(*a.From) > maxSteps*step {
			t.Fatalf("%+v: from %s to %s by %s", c, a.From, a.To, step)
		}
	default:
		t.Fatalf("%+v: %d %s", c, resp.StatusCode, resp.Body)
	}
	return resp.StatusCode
}

// TestForgedCursorsAreRefused sends cursors with a valid checksum whose times
// overflow in calculations.
func TestForgedCursorsAreRefused(t *testing.T) {
	h := forgedHandler(t)
	good := cursor{Metric: "events", Key: "events", From: 29_000_000, To: 29_100_000, Step: 60}
	if status := sendForged(t, h, "events", good); status != http.StatusOK {
		t.Errorf("a good cursor: %d", status)
	}
	wraps := int64(math.MaxInt64)/60 + 1   // times 60 it is negative
	back := (int64(1)<<62)/15 + 29_000_000 // times 60 it wraps around to 29,000,000 minutes
	for _, n := range []int64{math.MinInt64, math.MaxInt64, wraps, wraps + 29_000_000, -wraps, back, -back, 1 << 62, -1, 4_222_846_080, math.MaxInt64 / 60, math.MinInt64 / 60} {
		for _, c := range []cursor{
			{Metric: "events", Key: "events", From: n, To: 29_100_000, Step: 60},
			{Metric: "events", Key: "events", From: 29_000_000, To: n, Step: 60},
			{Metric: "events", Key: "events", From: 29_000_000, To: 29_100_000, Step: n},
			{Metric: "events", Key: "events", From: n, To: n + 1, Step: 1},
		} {
			if status := sendForged(t, h, "events", c); status != http.StatusBadRequest {
				t.Errorf("%+v: %d", c, status)
			}
		}
	}
	for _, kind := range []string{"a\x00b", "\x1b[31m", string(make([]byte, 1<<16))} {
		c := good
		c.EventType = kind
		if status := sendForged(t, h, "events", c); status != http.StatusBadRequest {
			t.Errorf("%.20q: %d", kind, status)
		}
	}
}

// FuzzForgedCursor creates cursors with a valid checksum and arbitrary fields.
func FuzzForgedCursor(f *testing.F) {
	h := forgedHandler(f)
	key := h.definitions[0].Key()
	f.Add("events", "events", int64(29_000_000), int64(29_100_000), int64(60), "page_view", true)
	f.Add("revenue", key, int64(0), int64(4_222_444_800), int64(1440), "", false)
	f.Add("revenue", key, int64(1), int64(math.MaxInt64/60+2), int64(1), "x", true)
	f.Add("events", "events", int64(math.MinInt64), int64(math.MaxInt64), int64(math.MaxInt64), "", false)
	f.Fuzz(func(t *testing.T, name, series string, from, to, step int64, eventType string, total bool) {
		c := cursor{Metric: name, Key: series, From: from, To: to, Step: step, EventType: eventType, Total: total}
		if c.encode() == "" {
			return // not UTF-8
		}
		for _, asked := range []string{"events", "revenue"} {
			sendForged(t, h, asked, c)
		}
	})
}

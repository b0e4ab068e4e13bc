package query_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/metric"
)

// detail returns the message of an error response.
func detail(t *testing.T, resp events.APIGatewayProxyResponse) string {
	t.Helper()
	var p struct{ Detail string }
	if err := json.Unmarshal([]byte(resp.Body), &p); err != nil {
		t.Fatal(err)
	}
	return p.Detail
}

func TestWrongRequests(t *testing.T) {
	const (
		aTime  = "must be a time in RFC 3339, in the years 1970 to 9998, such as 2026-01-31T12:00:00Z"
		aDay   = "must be a day, in the years 1970 to 9998, such as 2026-01-31"
		aStep  = "step: must be whole minutes, 1m to 24h, such as 5m"
		ranges = "is not known: use from, to, step, eventType, by, where, cursor"
	)
	type p = map[string]string
	for name, c := range map[string]struct {
		metric     string
		parameters p
		status     int
		detail     string
	}{
		"unknown metric":             {"profit", nil, 404, `metric "profit" does not exist: use summary, events, users, funnel, retention, sessions, breakdown, paths, live, purchases or revenue`},
		"no metric":                  {"", nil, 404, `metric "" does not exist: use summary, events, users, funnel, retention, sessions, breakdown, paths, live, purchases or revenue`},
		"an invalid name":            {"Revenue", nil, 404, `metric "Revenue" does not exist: use summary, events, users, funnel, retention, sessions, breakdown, paths, live, purchases or revenue`},
		"a series' key":              {definitions[1].Key(), nil, 404, `metric "` + definitions[1].Key() + `" does not exist: use summary, events, users, funnel, retention, sessions, breakdown, paths, live, purchases or revenue`},
		"summary with a parameter":   {"summary", p{"from": "x"}, 400, "from: is not known: this metric takes no parameters"},
		"misspelled parameter":       {"events", p{"form": "x"}, 400, "form: " + ranges},
		"events of a user":           {"events", p{"userId": "x"}, 400, "userId: " + ranges},
		"from no time":               {"events", p{"from": "yesterday"}, 400, "from: " + aTime + `, not "yesterday"`},
		"from after to":              {"events", p{"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, 400, `from: must be before to, 2026-01-01T00:00:00Z, not "2026-01-02T00:00:00Z"`},
		"nothing between":            {"events", p{"from": "2026-01-01T00:00:01Z", "to": "2026-01-01T00:00:59Z"}, 400, `from: must be before to, 2026-01-01T00:00:00Z, not "2026-01-01T00:00:01Z"`},
		"to without a zone":          {"revenue", p{"to": "2026-01-01T00:00:00"}, 400, "to: " + aTime + `, not "2026-01-01T00:00:00"`},
		"a long value":               {"events", p{"to": strings.Repeat("x", 1000)}, 400, "to: " + aTime + `, not "` + strings.Repeat("x", 60) + `…"`},
		"year 9999":                  {"events", p{"to": "9999-12-31T23:59:59Z"}, 400, "to: " + aTime + `, not "9999-12-31T23:59:59Z"`},
		"year 1969 in UTC":           {"events", p{"from": "1970-01-01T00:00:00+01:00"}, 400, "from: " + aTime + `, not "1970-01-01T00:00:00+01:00"`},
		"from at +24:00":             {"events", p{"from": "2026-01-01T00:00:00+24:00"}, 400, "from: " + aTime + `, not "2026-01-01T00:00:00+24:00"`},
		"to at +00:60":               {"revenue", p{"to": "2026-01-01T00:00:00+00:60"}, 400, "to: " + aTime + `, not "2026-01-01T00:00:00+00:60"`},
		"to is the beginning":        {"events", p{"to": "1970-01-01T00:00:00Z"}, 400, `to: must be at least an hour after 1970-01-01T00:00:00Z if from is missing, not "1970-01-01T00:00:00Z"`},
		"a step that overflows":      {"events", p{"step": "9223372036854775807h"}, 400, aStep + `, not "9223372036854775807h"`},
		"users at -99:99":            {"users", p{"to": "2026-01-31T00:00:00-99:99"}, 400, "to: " + aDay + `, not "2026-01-31T00:00:00-99:99"`},
		"step no duration":           {"events", p{"step": "often"}, 400, aStep + `, not "often"`},
		"step of seconds":            {"events", p{"step": "90s"}, 400, aStep + `, not "90s"`},
		"step of two days":           {"revenue", p{"step": "48h"}, 400, aStep + `, not "48h"`},
		"step of nothing":            {"events", p{"step": "0"}, 400, aStep + `, not "0"`},
		"no type":                    {"events", p{"eventType": "page\tview"}, 400, `eventType: must not hold control characters, and has U+0009, not "page\tview"`},
		"a long type":                {"events", p{"eventType": strings.Repeat("ü", 101)}, 400, `eventType: must have 1 to 100 characters, not "` + strings.Repeat("ü", 30) + `…"`},
		"a type not in UTF-8":        {"events", p{"eventType": "Gr\ufffde"}, 400, "eventType: must be text in UTF-8, percent-encoded, not \"Gr\ufffde\""},
		"by an unknown field":        {"events", p{"by": "country"}, 400, `by: must be eventType or none, not "country"`},
		"by of a declared metric":    {"revenue", p{"by": "none"}, 400, "by: is not known: use from, to, step, cursor"},
		"users of too many days":     {"users", p{"from": "2020-01-01", "to": "2026-01-31"}, 400, `from: "2020-01-01" is too long before to, 2026-01-31: request at most 35 days`},
		"users of no day":            {"users", p{"to": "today"}, 400, "to: " + aDay + `, not "today"`},
		"users of an impossible day": {"users", p{"to": "2026-02-30"}, 400, "to: " + aDay + `, not "2026-02-30"`},
		"users from after to":        {"users", p{"from": "2026-01-02", "to": "2026-01-01"}, 400, `from: must not be after to, 2026-01-01, not "2026-01-02"`},
		"users with step":            {"users", p{"step": "1h"}, 400, "step: is not known: use from, to, where"},
		"users with a cursor":        {"users", p{"cursor": "x"}, 400, "cursor: is not known: use from, to, where"},
	} {
		h, w, _ := fakes(t)
		resp := get(t, h, c.metric, c.parameters)
		if resp.StatusCode != c.status || detail(t, resp) != c.detail || resp.Headers["Content-Type"] != "application/problem+json" || resp.Headers["Cache-Control"] != "no-store" {
			t.Errorf("%s: %d %s\nwant %d %s", name, resp.StatusCode, resp.Body, c.status, c.detail)
		}
		if w.asked["series"]+w.asked["rows"]+w.asked["users"] > 0 {
			t.Errorf("%s: the warehouse was asked for %v", name, w.asked)
		}
	}
	h, _, _ := fakes(t)
	resp, err := h.Handle(t.Context(), events.APIGatewayProxyRequest{
		PathParameters: map[string]string{"metric": "events"}, QueryStringParameters: p{"step": "2m"},
		MultiValueQueryStringParameters: map[string][]string{"step": {"1m", "2m"}},
	})
	if err != nil || resp.StatusCode != 400 || detail(t, resp) != `step: must be given once, not "1m and 2m"` {
		t.Errorf("step twice: %d %s, %v", resp.StatusCode, resp.Body, err)
	}
}

func TestWrongCursors(t *testing.T) {
	h, _, _ := fakes(t, "x")
	var a api.MetricResponse
	long := map[string]string{"from": "2025-01-01T00:00:00Z", "to": "2025-02-01T00:00:00Z"}
	if err := json.Unmarshal([]byte(get(t, h, "revenue", long).Body), &a); err != nil || a.Next == "" {
		t.Fatal(a, err)
	}
	const broken = ` is not a valid cursor: send the response's next unchanged, or use from and to`
	quoted := func(cursor string) string { return `"` + cursor[:60] + `…"` }
	swapped := a.Next[:20] + string(a.Next[20]^1) + a.Next[21:]
	for name, c := range map[string]struct {
		metric     string
		parameters map[string]string
		detail     string
	}{
		"empty":                 {"revenue", map[string]string{"cursor": ""}, `cursor: ""` + broken},
		"no cursor":             {"revenue", map[string]string{"cursor": "2"}, `cursor: "2"` + broken},
		"cut":                   {"revenue", map[string]string{"cursor": a.Next[:len(a.Next)-1]}, "cursor: " + quoted(a.Next) + broken},
		"a letter changed":      {"revenue", map[string]string{"cursor": swapped}, "cursor: " + quoted(swapped) + broken},
		"padded":                {"revenue", map[string]string{"cursor": a.Next + "="}, "cursor: " + quoted(a.Next) + broken},
		"with from":             {"revenue", map[string]string{"cursor": a.Next, "from": "2025-01-01T00:00:00Z"}, "cursor: must be the only parameter; it replaces all other parameters"},
		"with what it isn't":    {"revenue", map[string]string{"cursor": a.Next, "x": ""}, "cursor: must be the only parameter; it replaces all other parameters"},
		"of another metric":     {"purchases", map[string]string{"cursor": a.Next}, "cursor: " + quoted(a.Next) + " is for /metrics/revenue: use it there"},
		"of a metric at events": {"events", map[string]string{"cursor": a.Next}, "cursor: " + quoted(a.Next) + " is for /metrics/revenue: use it there"},
	} {
		if resp := get(t, h, c.metric, c.parameters); resp.StatusCode != 400 || detail(t, resp) != c.detail {
			t.Errorf("%s: %d %s\nwant %s", name, resp.StatusCode, resp.Body, c.detail)
		}
	}
	h = declare(t, h.Deps, metric.Definition{Name: "revenue", Sum: "properties.total"})
	if resp := get(t, h, "revenue", map[string]string{"cursor": a.Next}); resp.StatusCode != 400 ||
		detail(t, resp) != "cursor: "+quoted(a.Next)+" is for an earlier declaration of the metric: use from and to" {
		t.Errorf("of an older declaration: %d %s", resp.StatusCode, resp.Body)
	}
	if _, err := base64.RawURLEncoding.DecodeString(a.Next); err != nil {
		t.Errorf("%s is not safe in a URL", a.Next)
	}
}

package api_test

import (
	stdjson "encoding/json"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/api"
)

// TestMetricResponses fixes the bytes of each kind of response, and has both JSON
// packages in use (the functions' and the command line's) read them back.
func TestMetricResponses(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	later, seven := at.Add(time.Hour), int64(7)
	origin := api.Origin{Source: api.SourceBoth, AsOf: &at}
	const originText = `"source":"cache+warehouse","asOf":"2026-01-31T12:00:00Z","stale":false`
	const rangeText = `"from":"2026-01-31T12:00:00Z","to":"2026-01-31T13:00:00Z",`
	for _, tt := range []struct {
		name string
		r    api.MetricResponse
		want string
	}{
		{"no events", api.MetricResponse{Metric: api.MetricEvents, From: &at, To: &later, StepSeconds: 60, Origin: origin, Points: []api.Point{}},
			`{"metric":"events",` + rangeText + `"stepSeconds":60,` + originText + `,"points":[]}`},
		{"events", api.MetricResponse{Metric: api.MetricEvents, From: &at, To: &later, StepSeconds: 60, Origin: origin,
			Points: []api.Point{{At: at, EventType: "view", Count: 2}}, Folded: &api.Folded{From: at, To: later, Events: 3}, Next: "x"},
			`{"metric":"events",` + rangeText + `"stepSeconds":60,` + originText + `,"points":[{"at":"2026-01-31T12:00:00Z","eventType":"view","count":2}],` +
				`"folded":{` + rangeText + `"events":3},"next":"x"}`},
		{"declared", api.MetricResponse{Metric: "revenue", From: &at, To: &later, StepSeconds: 60, Origin: origin, Since: &at, By: []string{"country"}, Skipped: new(int64),
			Points: []api.Point{{At: at, Values: []string{"de"}, Count: 2, Sum: "12345678901234567890.10", Min: "-1"}}},
			`{"metric":"revenue",` + rangeText + `"stepSeconds":60,` + originText + `,"since":"2026-01-31T12:00:00Z","by":["country"],"skipped":0,` +
				`"points":[{"at":"2026-01-31T12:00:00Z","values":["de"],"count":2,"sum":12345678901234567890.10,"min":-1}]}`},
		{"users", api.MetricResponse{Metric: api.MetricUsers, Origin: origin, Days: []api.UsersDay{{Day: "2026-01-31", Users: &seven, Exact: true}, {Day: "2026-02-01"}}},
			`{"metric":"users",` + originText + `,"days":[{"day":"2026-01-31","users":7,"exact":true},{"day":"2026-02-01","users":null,"exact":false}]}`},
		{"summary", api.MetricResponse{Metric: api.MetricSummary, From: &at, To: &later, Origin: origin, Events: new(int64), ByType: map[string]int64{}, UsersToday: &api.UsersDay{Day: "2026-01-31"}},
			`{"metric":"summary",` + rangeText + originText + `,"events":0,"byType":{},"usersToday":{"day":"2026-01-31","users":null,"exact":false}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(tt.r, json.Deterministic(true))
			if err != nil || string(text) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", text, err, tt.want)
			}
			if text, err := stdjson.Marshal(tt.r); err != nil || string(text) != tt.want {
				t.Errorf("encoding/json: got  %s, %v\nwant %s", text, err, tt.want)
			}
			var function, client api.MetricResponse
			if err := json.Unmarshal(text, &function); err != nil {
				t.Error(err)
			}
			if err := stdjson.Unmarshal(text, &client); err != nil {
				t.Error(err)
			}
			for _, got := range []api.MetricResponse{function, client} {
				if diff := cmp.Diff(tt.r, got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
		})
	}
	for _, bad := range []string{`{"points":[{"sum":"1"}]}`, `{"points":[{"sum":[1]}]}`} {
		var r api.MetricResponse
		if err := stdjson.Unmarshal([]byte(bad), &r); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
	if text, err := json.Marshal(api.Point{Sum: "1,2"}); err == nil {
		t.Errorf("wrote %s", text)
	}
}

// TestGatewayProblem has the body that the gateway's own responses have.
func TestGatewayProblem(t *testing.T) {
	text, err := stdjson.Marshal(api.Problem{Title: "THROTTLED", Detail: "Too Many Requests", RequestID: "r"})
	if err != nil || string(text) != `{"title":"THROTTLED","detail":"Too Many Requests","requestId":"r"}` {
		t.Errorf("%s, %v", text, err)
	}
}

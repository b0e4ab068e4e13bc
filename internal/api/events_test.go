package api_test

import (
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/event"
)

func TestEventsResponseIsWrittenAsDeclared(t *testing.T) {
	accepted := api.EventResult{Event: 0, Status: 202, EventID: "ab000000-0000-0000-0000-000000000001", Timestamp: "0001-01-01T00:00:00Z"}
	rejected := api.EventResult{Event: 1, Status: 400, Errors: []event.FieldError{{Event: 1, Field: "userId", Detail: `is "x"`}}}
	unavailable := api.EventResult{Event: 2, Status: 503, EventID: accepted.EventID, Timestamp: accepted.Timestamp, Detail: "send again"}
	for _, a := range []api.EventsResponse{
		{Results: []api.EventResult{}},
		{Accepted: 1, Results: []api.EventResult{accepted}},
		{Accepted: 1, Refused: 1, Unavailable: 1, Results: []api.EventResult{accepted, rejected, unavailable}},
	} {
		want, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := a.AppendJSON(nil); err != nil || string(got) != string(want) {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
}

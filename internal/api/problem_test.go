package api_test

import (
	"testing"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/event"
)

func TestProblemResponse(t *testing.T) {
	full := api.NewProblem(503, "try again")
	full.Errors = []event.FieldError{{Event: 1, Field: "userId", Detail: "is required"}}
	full.Results, full.RetryAfterSeconds = []api.EventResult{{Event: 1, Status: 503}}, 2
	for _, c := range []struct {
		p     api.Problem
		body  string
		after string
	}{
		{api.NewProblem(404, ""), `{"title":"Not Found","status":404}`, ""},
		{full, `{"title":"Service Unavailable","status":503,"detail":"try again","errors":[{"event":1,"field":"userId","detail":"is required"}],"results":[{"event":1,"status":503}]}`, "2"},
	} {
		resp, err := c.p.Response()
		if err != nil || resp.StatusCode != c.p.Status || resp.Body != c.body || resp.Headers["Retry-After"] != c.after ||
			resp.Headers["Content-Type"] != "application/problem+json" || resp.Headers["Cache-Control"] != "no-store" {
			t.Errorf("got %+v, %v; want %s", resp, err, c.body)
		}
	}
}

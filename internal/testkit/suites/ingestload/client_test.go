package ingestload_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/event"
)

// message is an event in the client's form. Its number identifies it.
type message struct {
	EventID    string         `json:"eventId,omitempty"`
	UserID     string         `json:"userId"`
	EventType  string         `json:"eventType"`
	Timestamp  string         `json:"timestamp,omitempty"`
	Properties map[string]any `json:"properties"`
}

// client sends requests and handles unaccepted events as the responses require.
type client struct {
	t       *testing.T
	random  *rand.Rand
	handler *ingest.Handler
	stream  *stream
	// users is the number of users; padding is added to each event.
	users   int
	padding string
	// accepted has the identity of each event, by number.
	accepted map[int]identity
	number   int
	// counters
	requests, resent, refused int
}

// message creates an event: without an identity, with only a version 7 id, or
// with id and time. A few are invalid.
func (c *client) message() (m message, wrong bool) {
	c.number++
	m = message{UserID: fmt.Sprint("user", c.random.IntN(1+c.random.IntN(c.users))), EventType: "view", Properties: map[string]any{"n": c.number, "padding": c.padding}}
	at := noon.Add(-time.Duration(c.random.IntN(3600_000_000)) * time.Microsecond)
	switch c.random.IntN(4) {
	case 0:
		m.EventID, m.Timestamp = c.uuid(4, at).String(), string(event.AppendTime(nil, at))
	case 1:
		m.EventID = c.uuid(7, at).String()
	case 2:
		m.Timestamp = at.Format(time.RFC3339Nano)
	}
	if wrong = c.random.IntN(50) == 0; wrong {
		m.EventType = "page view"
	}
	return m, wrong
}

func (c *client) uuid(version byte, at time.Time) (id uuid.UUID) {
	for i := range id {
		id[i] = byte(c.random.Uint32())
	}
	if version == 7 {
		for i, ms := 5, at.UnixMilli(); i >= 0; i, ms = i-1, ms>>8 {
			id[i] = byte(ms)
		}
	}
	id[6], id[8] = id[6]&0x0f|version<<4, id[8]&0x3f|0x80
	return id
}

// send sends a request of n events, and then the remaining ones, until all are
// accepted or rejected.
func (c *client) send(n int) {
	left := make([]message, n)
	wrong := make([]bool, n)
	for i := range left {
		left[i], wrong[i] = c.message()
	}
	for try := 0; len(left) > 0; try++ {
		if try == 50 {
			c.t.Fatalf("%d events are not accepted after %d requests", len(left), try)
		}
		var again []message
		for i, r := range c.post(left) {
			m := left[i]
			switch {
			case r.Status == 202:
				c.accept(m, r)
			case r.Status == 503 && strings.Contains(r.Detail, "send again unchanged"):
				if m.EventID != "" && !strings.EqualFold(m.EventID, r.EventID) {
					c.t.Errorf("event %s became %s", m.EventID, r.EventID)
				}
				m.EventID, m.Timestamp = r.EventID, r.Timestamp
				again = append(again, m)
			case r.Status == 400 && try == 0 && wrong[i] && len(r.Errors) == 1:
				c.refused++
			default:
				c.t.Errorf("%+v: result %+v", m, r)
			}
		}
		c.resent += len(again)
		left = again
	}
}

func (c *client) accept(m message, r api.EventResult) {
	is := identity{r.EventID, r.Timestamp}
	if c.stream.stored[is] == 0 {
		c.t.Errorf("%+v was accepted and is not on the stream", m)
	}
	n := m.Properties["n"].(int)
	if before, ok := c.accepted[n]; ok {
		c.t.Errorf("event %d was accepted as %v and as %v", n, before, is)
	}
	c.accepted[n] = is
}

// post sends one event as an object or several as an array, and returns a
// result per event.
func (c *client) post(messages []message) []api.EventResult {
	var value any = messages
	if len(messages) == 1 {
		value = messages[0]
	}
	body, err := json.Marshal(value)
	if err != nil {
		c.t.Fatal(err)
	}
	c.requests++
	resp, err := c.handler.Handle(c.t.Context(), events.APIGatewayProxyRequest{
		Body: string(body), RequestContext: events.APIGatewayProxyRequestContext{RequestID: fmt.Sprint("request-", c.requests)},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	var a api.EventsResponse
	var p struct{ Errors []event.FieldError }
	if err := json.Unmarshal([]byte(resp.Body), &a); err != nil {
		c.t.Fatalf("%s: %v", resp.Body, err)
	}
	if err := json.Unmarshal([]byte(resp.Body), &p); err != nil {
		c.t.Fatalf("%s: %v", resp.Body, err)
	}
	if resp.StatusCode == 400 { // all are rejected
		a.Results = make([]api.EventResult, len(messages))
		for _, e := range p.Errors {
			a.Results[e.Event] = api.EventResult{Event: e.Event, Status: 400, Errors: []event.FieldError{e}}
		}
	}
	counts := map[int]int{}
	for i, r := range a.Results {
		if counts[r.Status]++; r.Event != i {
			c.t.Errorf("result %d is of event %d", i, r.Event)
		}
	}
	want := 207
	switch {
	case counts[202] == len(messages):
		want = 202
	case counts[202] == 0 && counts[503] > 0:
		want = 503
	case counts[400] == len(messages):
		want = 400
	}
	if resp.StatusCode != want || len(a.Results) != len(messages) || (resp.Headers["Retry-After"] != "") != (counts[503] > 0) ||
		want < 300 && (a.Accepted != counts[202] || a.Refused != counts[400] || a.Unavailable != counts[503]) {
		c.t.Errorf("%d events: %d %v %s", len(messages), resp.StatusCode, resp.Headers, resp.Body)
	}
	return a.Results
}

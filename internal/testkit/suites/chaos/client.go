package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/pause"
)

// Sent is an event in the client's form, from its first try on.
type Sent struct {
	// Number is stored in the event's properties as k.
	Number                      int
	Kind, User, Country, Amount string
	// ID and At are the identity: the client's own, or the one in the first
	// response. At is empty for an event that is always sent without a time.
	ID, At string
	// Identity is the identity in the API's last response; Accepted reports
	// whether the event was acknowledged.
	Identity Identity
	Accepted bool
	bareID   bool
}

// Identity identifies an event.
type Identity struct {
	ID uuid.UUID
	At int64 // in microseconds since 1970
}

// Client sends events through ingest, and resends them.
type Client struct {
	Handler *ingest.Handler
	Events  []*Sent
	// Kinds is the number of event types.
	Kinds int
	// Late are the possible ages of late events, chosen at random.
	Late []time.Duration
	// Receive changes the events that ingest receives; nil changes nothing.
	Receive func(body map[string]any)
	clock   *Clock
	random  *Random
	number  int
}

// nothing drops metrics.
type nothing struct{}

func (nothing) Emit(context.Context, ...emf.Metric) {}

// NewClient returns a client of a stream.
func NewClient(stream ingest.Stream, clock *Clock, random *Random) *Client {
	return &Client{
		clock: clock, random: random, Kinds: 6,
		Handler: ingest.New(contract.Ingest{Stream: "chaos", EventMaxAgeDays: 30}, ingest.Deps{
			Stream: stream, Random: random, Metrics: nothing{}, Log: slog.New(slog.DiscardHandler),
			Clock: pause.Clock{Time: clock.Now, Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
		}),
	}
}

// Send sends n new events in one request.
func (c *Client) Send(ctx context.Context, n int) error {
	batch := make([]*Sent, n)
	for i := range batch {
		batch[i] = c.invent()
	}
	c.Events = append(c.Events, batch...)
	return c.Request(ctx, batch)
}

// Resend resends n old events as clients must: with the identity that they sent
// or received.
func (c *Client) Resend(ctx context.Context, n int) error {
	var batch []*Sent
	for range min(n, len(c.Events)) {
		batch = append(batch, c.Events[c.random.IntN(len(c.Events))])
	}
	return c.Request(ctx, batch)
}

// Finish sends until everything is acknowledged.
func (c *Client) Finish(ctx context.Context) error {
	for {
		var open []*Sent
		for _, e := range c.Events {
			if !e.Accepted && len(open) < 200 {
				open = append(open, e)
			}
		}
		if len(open) == 0 {
			return nil
		}
		if err := c.Request(ctx, open); err != nil {
			return err
		}
	}
}

// Old creates an event that happened at a time.
func (c *Client) Old(at time.Time) *Sent {
	e := c.invent()
	e.ID, e.At, e.bareID = c.newID(false, at).String(), at.UTC().Format(timeLayout), false
	c.Events = append(c.Events, e)
	return e
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

func (c *Client) invent() *Sent {
	c.number++
	e := &Sent{
		Number: c.number, User: "user" + strconv.Itoa(c.random.IntN(40)),
		Kind: "kind" + strconv.Itoa(c.random.IntN(c.Kinds)), Country: []string{"de", "fr", "it"}[c.random.IntN(3)],
	}
	if c.random.Percent(40) {
		e.Kind = Declared().EventType
	}
	if c.random.Percent(90) {
		e.Amount = fmt.Sprintf("%d.%02d", c.random.IntN(1000)-500, c.random.IntN(100))
	}
	at := c.clock.Now().Add(-time.Duration(c.random.IntN(120_000)) * time.Millisecond)
	late := len(c.Late) > 0 && c.random.Percent(10)
	if late {
		at = at.Add(-c.Late[c.random.IntN(len(c.Late))])
	}
	switch form := c.random.IntN(3); {
	case form == 0 || late:
		e.ID, e.At = c.newID(false, at).String(), at.UTC().Format(timeLayout)
	case form == 1:
		e.ID, e.bareID = c.newID(true, at).String(), true
	} // else ingest mints both
	return e
}

// newID creates an id: version 7 with a time, or version 4 without.
func (c *Client) newID(timed bool, at time.Time) uuid.UUID {
	var id uuid.UUID
	_, _ = c.random.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	if timed {
		id[6] = id[6]&0x0f | 0x70
		ms := at.UnixMilli()
		for i := range 6 {
			id[i] = byte(ms >> (8 * (5 - i)))
		}
	}
	return id
}

// body returns the event as it is sent.
func (e *Sent) body(timed bool) map[string]any {
	properties := map[string]any{"k": e.Number, "country": e.Country}
	if e.Amount != "" {
		properties["amount"] = json.Number(e.Amount)
	}
	body := map[string]any{"userId": e.User, "eventType": e.Kind, "properties": properties}
	if e.ID != "" {
		body["eventId"] = e.ID
	}
	if e.At != "" && timed {
		body["timestamp"] = e.At
	}
	return body
}

// Request sends events and stores the results.
func (c *Client) Request(ctx context.Context, batch []*Sent) error {
	bodies := make([]map[string]any, len(batch))
	for i, e := range batch {
		// The id contains the time, so the time may be sent or omitted.
		bodies[i] = e.body(!e.bareID || c.random.Percent(50))
		if c.Receive != nil {
			c.Receive(bodies[i])
		}
	}
	text, err := json.Marshal(bodies)
	if err != nil {
		return fmt.Errorf("send events: %w", err)
	}
	resp, err := c.Handler.Handle(ctx, events.APIGatewayProxyRequest{Body: string(text)})
	if err != nil {
		return fmt.Errorf("send events: %w", err)
	}
	var answer struct{ Results []api.EventResult }
	if err := json.Unmarshal([]byte(resp.Body), &answer); err != nil {
		return fmt.Errorf("send events: status %d: %w", resp.StatusCode, err)
	}
	if len(answer.Results) != len(batch) {
		return fmt.Errorf("send events: status %d: %s", resp.StatusCode, resp.Body)
	}
	for i, r := range answer.Results {
		if err := batch[i].learn(r); err != nil {
			return err
		}
	}
	return nil
}

func (e *Sent) learn(r api.EventResult) error {
	if r.Status != http.StatusAccepted && r.Status != http.StatusServiceUnavailable {
		return fmt.Errorf("send event %d: status %d: %v", e.Number, r.Status, r.Errors)
	}
	id, err := uuid.Parse(r.EventID)
	if err != nil {
		return fmt.Errorf("send event %d: %w", e.Number, err)
	}
	at, err := time.Parse(time.RFC3339, r.Timestamp)
	if err != nil {
		return fmt.Errorf("send event %d: %w", e.Number, err)
	}
	e.ID, e.At = r.EventID, r.Timestamp
	e.Identity = Identity{id, at.UnixMicro()}
	e.Accepted = e.Accepted || r.Status == http.StatusAccepted
	return nil
}

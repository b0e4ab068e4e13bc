package ingest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/problem"
)

// Result tells what became of one event of a request.
type Result struct {
	// Event is its index in the request.
	Event int `json:"event"`
	// Status is 202, 400 or 503.
	Status int `json:"status"`
	// EventID and Timestamp are the event's identity; both are empty when it
	// was refused.
	EventID   string `json:"eventId,omitempty"`
	Timestamp string `json:"timestamp,omitempty"`
	// Errors say why it was refused.
	Errors []event.FieldError `json:"errors,omitempty"`
	// Detail says what to do with an event that is neither accepted nor refused.
	Detail string `json:"detail,omitempty"`
}

// Answer is the body of a 202 or 207.
type Answer struct {
	Accepted    int      `json:"accepted"`
	Refused     int      `json:"refused"`
	Unavailable int      `json:"unavailable"`
	Results     []Result `json:"results"`
}

// resend is said of an event that the stream didn't acknowledge: the call may
// have arrived all the same, and the identity makes a second one harmless.
const resend = "may have been stored; send again unchanged, with this eventId and timestamp"

func newResult(index int, e event.Event, errs []event.FieldError) Result {
	for i := range errs {
		errs[i].Event = index
	}
	if len(errs) > 0 {
		return Result{Event: index, Status: http.StatusBadRequest, Errors: errs}
	}
	return Result{
		Event: index, Status: http.StatusAccepted,
		EventID: e.ID.String(), Timestamp: string(event.AppendTime(nil, e.Timestamp)),
	}
}

func (r *Result) unavailable() {
	r.Status, r.Detail = http.StatusServiceUnavailable, resend
}

// answer chooses the status: 202 when all are accepted, 400 when all are
// refused, 503 when none is accepted and the stream is the reason, else 207.
func (h *Handler) answer(ctx context.Context, results []Result) (events.APIGatewayProxyResponse, error) {
	a := Answer{Results: results}
	var errs []event.FieldError
	for _, r := range results {
		switch r.Status {
		case http.StatusAccepted:
			a.Accepted++
		case http.StatusServiceUnavailable:
			a.Unavailable++
		default:
			a.Refused++
			errs = append(errs, r.Errors...)
		}
	}
	h.count(ctx, a.Accepted, a.Refused, a.Unavailable)
	switch {
	case a.Accepted == 0 && a.Unavailable > 0:
		p := problem.New(http.StatusServiceUnavailable, "the stream did not acknowledge the events: they "+resend)
		p.Errors, p.Results, p.RetryAfterSeconds = errs, results, retryAfterSeconds
		return p.Response()
	case a.Accepted == 0:
		p := problem.New(http.StatusBadRequest, "no event was accepted: "+errs[0].Error())
		p.Errors = errs
		return p.Response()
	}
	body, err := json.Marshal(a)
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("encode answer: %w", err)
	}
	resp := events.APIGatewayProxyResponse{
		StatusCode: http.StatusAccepted, Body: string(body),
		Headers: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"},
	}
	if a.Refused+a.Unavailable > 0 {
		resp.StatusCode = http.StatusMultiStatus
	}
	if a.Unavailable > 0 {
		resp.Headers["Retry-After"] = strconv.Itoa(retryAfterSeconds)
	}
	return resp, nil
}

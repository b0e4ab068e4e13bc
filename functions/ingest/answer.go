package ingest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
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

func refused(index int, errs []event.FieldError) Result {
	for i := range errs {
		errs[i].Event = index
	}
	return Result{Event: index, Status: http.StatusBadRequest, Errors: errs}
}

func accepted(index int, e event.Event) Result {
	var room [64]byte
	id := len(event.AppendID(room[:0], e.ID))
	text := string(event.AppendTime(room[:id], e.Timestamp)) // both in one
	return Result{Event: index, Status: http.StatusAccepted, EventID: text[:id], Timestamp: text[id:]}
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
	body, err := a.appendJSON(nil)
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

// appendJSON writes what json.Marshal would: the results of accepted events,
// which are nearly all, by hand.
func (a Answer) appendJSON(dst []byte) ([]byte, error) {
	const size = 150 // of such a result
	dst = slices.Grow(dst, 100+size*len(a.Results))
	dst = strconv.AppendInt(append(dst, `{"accepted":`...), int64(a.Accepted), 10)
	dst = strconv.AppendInt(append(dst, `,"refused":`...), int64(a.Refused), 10)
	dst = strconv.AppendInt(append(dst, `,"unavailable":`...), int64(a.Unavailable), 10)
	dst = append(dst, `,"results":[`...)
	for i, r := range a.Results {
		if i > 0 {
			dst = append(dst, ',')
		}
		if r.Status != http.StatusAccepted {
			text, err := json.Marshal(r)
			if err != nil {
				return nil, err
			}
			dst = append(dst, text...)
			continue
		}
		dst = strconv.AppendInt(append(dst, `{"event":`...), int64(r.Event), 10)
		dst = strconv.AppendInt(append(dst, `,"status":`...), int64(r.Status), 10)
		dst = append(append(dst, `,"eventId":"`...), r.EventID...)
		dst = append(append(dst, `","timestamp":"`...), r.Timestamp...)
		dst = append(dst, `"}`...)
	}
	return append(dst, `]}`...), nil
}

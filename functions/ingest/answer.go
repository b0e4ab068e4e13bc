package ingest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/event"
)

// resend is the message for an event that the stream did not acknowledge: the
// call may have arrived nevertheless, and the event's id makes a resend
// harmless.
const resend = "may have been stored; send again unchanged, with this eventId and timestamp"

func refused(index int, errs []event.FieldError) api.EventResult {
	for i := range errs {
		errs[i].Event = index
	}
	return api.EventResult{Event: index, Status: http.StatusBadRequest, Errors: errs}
}

func accepted(index int, e event.Event) api.EventResult {
	var room [64]byte
	id := len(event.AppendID(room[:0], e.ID))
	text := string(event.AppendTime(room[:id], e.Timestamp)) // a single allocation for both texts
	return api.EventResult{Event: index, Status: http.StatusAccepted, EventID: text[:id], Timestamp: text[id:]}
}

// setUnavailable changes an accepted event's result to a request to resend it
// with the same id.
func setUnavailable(r *api.EventResult) {
	r.Status, r.Detail = http.StatusServiceUnavailable, resend
}

// answer chooses the status: 202 if all events are accepted, 400 if all are
// rejected, 503 if none is accepted because of the stream, otherwise 207.
func (h *Handler) answer(ctx context.Context, results []api.EventResult) (events.APIGatewayProxyResponse, error) {
	a := api.EventsResponse{Results: results}
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
		p := api.NewProblem(http.StatusServiceUnavailable, "the stream did not acknowledge the events: they "+resend)
		p.Errors, p.Results, p.RetryAfterSeconds = errs, results, retryAfterSeconds
		return p.Response()
	case a.Accepted == 0:
		p := api.NewProblem(http.StatusBadRequest, "no event was accepted: "+errs[0].Error())
		p.Errors = errs
		return p.Response()
	}
	body, err := a.AppendJSON(nil)
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("encode response: %w", err)
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

package api

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/event"
)

// EventsResponse is the body of a 202 or 207 of POST /events. A 400 or 503 has a
// Problem.
type EventsResponse struct {
	Accepted    int `json:"accepted"`
	Refused     int `json:"refused"`
	Unavailable int `json:"unavailable"`
	// Results has one entry per event, in the order of the request.
	Results []EventResult `json:"results"`
}

// EventResult is the result of one event of a request.
type EventResult struct {
	// Event is the index of the event in the request, from 0.
	Event int `json:"event"`
	// Status is 202 (accepted), 400 (rejected) or 503 (not acknowledged by the
	// stream; send it again).
	Status int `json:"status"`
	// EventID and Timestamp are the event's identity; both are empty for a rejected
	// event.
	EventID   string `json:"eventId,omitempty"`
	Timestamp string `json:"timestamp,omitempty"`
	// Errors are the reasons of a rejection.
	Errors []event.FieldError `json:"errors,omitempty"`
	// Detail is advice for an event with status 503.
	Detail string `json:"detail,omitempty"`
}

// AppendJSON appends the bytes that json.Marshal returns. Results of accepted
// events, which are nearly all, are written without reflection.
func (a EventsResponse) AppendJSON(dst []byte) ([]byte, error) {
	const size = 150 // bytes of an accepted event's result
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

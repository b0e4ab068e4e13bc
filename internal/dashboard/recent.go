package dashboard

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/streamctl/streamctl/internal/tail"
)

const (
	// eventsKept and rejectedKept are the times for which a result serves all pages: on a
	// stack each call is an invocation of a function or a search of its log.
	eventsKept   = 4 * time.Second
	rejectedKept = 14 * time.Second
	// recentTime bounds a call. It is shorter than the page's own limit, so that the page
	// gets the reason.
	recentTime = 18 * time.Second
)

// recentEvent is an event as the page gets it.
type recentEvent struct {
	EventID   string    `json:"eventId"`
	Timestamp time.Time `json:"timestamp"`
	UserID    string    `json:"userId"`
	EventType string    `json:"eventType"`
	// Properties is JSON as text: a browser would change the digits of large numbers.
	Properties string `json:"properties"`
}

// recentEvents returns what reads the events for the page; nil without a source.
func recentEvents(get func(context.Context) ([]tail.Event, error)) func(context.Context) ([]recentEvent, error) {
	if get == nil {
		return nil
	}
	return func(ctx context.Context) ([]recentEvent, error) {
		all, err := get(ctx)
		out := make([]recentEvent, len(all))
		for i, e := range all {
			out[i] = recentEvent{e.EventID, e.Timestamp, e.UserID, e.EventType, string(e.Properties)}
		}
		return out, err
	}
}

// items is a response with a list.
type items[T any] struct {
	Items []T `json:"items"`
}

// recent responds with a list, which it gets at most once per period and one at a time.
// A failure is kept too.
func recent[T any](s server, what string, kept time.Duration, get func(context.Context) ([]T, error)) http.HandlerFunc {
	turn := make(chan struct{}, 1)
	var all []T
	var failed error
	var until time.Time
	return func(w http.ResponseWriter, r *http.Request) {
		if get == nil {
			refuse(w, http.StatusNotFound, what+": this platform does not record any")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), recentTime)
		defer cancel()
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			s.failed(w, r, what, ctx.Err())
			return
		}
		defer func() { <-turn }()
		if time.Now().After(until) {
			got, err := get(ctx)
			if r.Context().Err() != nil { // the client has gone: the error may be its own
				return
			}
			all, failed, until = got, err, time.Now().Add(kept)
		}
		if failed != nil {
			s.Log.WarnContext(r.Context(), "no answer", "path", r.URL.Path, "err", failed)
			w.Header().Set("Retry-After", strconv.Itoa(int(2*kept.Seconds())))
			hint := ""
			if s.Hint != nil {
				hint = s.Hint(failed)
			}
			explain(w, http.StatusServiceUnavailable, what+": "+failed.Error(), hint) // the page shows it in the section
			return
		}
		s.write(w, r, items[T]{append([]T{}, all...)})
	}
}

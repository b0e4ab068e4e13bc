package tail

import (
	"context"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/logs"
)

// Shown is the number of events on the dashboard.
const Shown = 20

// RejectedAge is the age of the oldest rejection that RecentRejections returns.
const RejectedAge = 15 * time.Minute

// mostRejections bounds the rejections that RecentRejections keeps.
const mostRejections = 100

// RecentEvents keeps the last events. It is not safe for concurrent use.
type RecentEvents struct {
	events *Events
	last   int
	begun  bool
	all    []Event
}

// NewRecentEvents returns a reader of the last events.
func NewRecentEvents(rows Rows, last int) *RecentEvents {
	q := NewQuery("", "", nil)
	q.most = last
	return &RecentEvents{events: NewEvents(rows, q), last: last}
}

// Get returns the last events, newest first. It runs one statement; the first call runs
// up to four.
func (r *RecentEvents) Get(ctx context.Context) ([]Event, error) {
	var fresh []Event
	var err error
	if r.begun {
		fresh, _, err = r.events.Poll(ctx)
	} else {
		fresh, err = r.events.Begin(ctx, r.last)
	}
	if err != nil {
		return nil, err
	}
	r.begun = true
	r.all = append(r.all, fresh...)
	slices.SortStableFunc(r.all, func(a, b Event) int { return b.ArrivedAt.Compare(a.ArrivedAt) })
	r.all = r.all[:min(len(r.all), r.last)]
	return slices.Clone(r.all), nil
}

// RecentRejections keeps the rejections of the last minutes. It is not safe for
// concurrent use.
type RecentRejections struct {
	// Read calls show for each line of ingest that no earlier call has shown.
	Read func(ctx context.Context, show func(logs.Line) error) error
	all  []Rejection
}

// Get returns the rejections, newest first.
func (r *RecentRejections) Get(ctx context.Context) ([]Rejection, error) {
	err := r.Read(ctx, func(l logs.Line) error {
		if rejected, ok := NewRejection(l); ok {
			r.all = append(r.all, rejected)
			r.all = r.all[max(0, len(r.all)-mostRejections):]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	oldest := time.Now().Add(-RejectedAge)
	r.all = slices.DeleteFunc(r.all, func(one Rejection) bool { return one.Time.Before(oldest) })
	out := slices.Clone(r.all)
	slices.SortStableFunc(out, func(a, b Rejection) int { return b.Time.Compare(a.Time) })
	return out, nil
}

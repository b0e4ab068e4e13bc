package send

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// Counter counts queryable events.
type Counter interface {
	Count(context.Context) (int, error)
}

// Verifier measures the time from an event's acceptance until queries include it. It
// compares totals: the k-th accepted event counts as queryable when the count has grown
// by k. Other clients' events at the same time make the time look shorter.
type Verifier struct {
	Counter Counter
	// Every is the pause between two queries, and so the resolution of the result.
	Every time.Duration

	mu       sync.Mutex
	accepted []tally
	total    int
	seen     []tally
	trouble  error
	stop     context.CancelFunc
	asked    chan struct{}
}

// tally is a total at a time.
type tally struct {
	total int
	at    time.Time
}

// Verified is the result of a verification.
type Verified struct {
	// Queryable is the number of accepted events that queries include.
	Queryable int `json:"queryable"`
	Missing   int `json:"missing"`
	// Latency is the time from acceptance to the first query that includes the event.
	Latency Percentiles `json:"acceptedToQueryable"`
}

// Begin reads the current count and starts to query, until Finish.
func (v *Verifier) Begin(ctx context.Context) error {
	before, err := v.Counter.Count(ctx)
	if err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	ctx, v.stop = context.WithCancel(context.WithoutCancel(ctx))
	v.asked = make(chan struct{})
	go func() {
		defer close(v.asked)
		for pause.For(ctx, v.Every) == nil {
			v.ask(ctx, before)
		}
	}()
	return nil
}

func (v *Verifier) ask(ctx context.Context, before int) {
	now, err := v.Counter.Count(ctx)
	at := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.trouble = err; err != nil {
		return
	}
	if n := len(v.seen); n == 0 || v.seen[n-1].total < now-before {
		v.seen = append(v.seen, tally{now - before, at})
	}
}

// Accepted records accepted events.
func (v *Verifier) Accepted(events int, at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.total += events
	v.accepted = append(v.accepted, tally{v.total, at})
}

// Finish waits until queries include all accepted events, at most for patience.
func (v *Verifier) Finish(ctx context.Context, patience time.Duration) (Verified, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !v.complete() && pause.For(waiting, v.Every) == nil {
	}
	v.stop()
	<-v.asked
	v.mu.Lock()
	defer v.mu.Unlock()
	r := Verified{Latency: PercentilesOf(v.latencies())}
	if n := len(v.seen); n > 0 {
		r.Queryable = min(v.seen[n-1].total, v.total)
	}
	r.Missing = v.total - r.Queryable
	if r.Missing > 0 {
		return r, errors.Join(&MissingError{Missing: r.Missing, After: patience}, v.trouble)
	}
	return r, nil
}

func (v *Verifier) complete() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := len(v.seen)
	return v.total == 0 || n > 0 && v.seen[n-1].total >= v.total
}

// latencies returns the latency of each accepted event.
func (v *Verifier) latencies() []time.Duration {
	var all []time.Duration
	next, done := 0, 0
	for _, a := range v.accepted {
		for ; done < a.total; done++ {
			for next < len(v.seen) && v.seen[next].total <= done {
				next++
			}
			if next == len(v.seen) {
				return all
			}
			all = append(all, max(v.seen[next].at.Sub(a.at), 0))
		}
	}
	return all
}

// MissingError reports accepted events that queries do not include.
type MissingError struct {
	Missing int
	After   time.Duration
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%d accepted events are not queryable %s after the last was sent", e.Missing, e.After)
}

// Hint implements the command line's hints.
func (e *MissingError) Hint() string {
	return "they are in the stream and will be loaded; `streamctl query summary` and the dashboard show the progress"
}

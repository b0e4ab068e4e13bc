// Package send brings events to a platform's API: in batches, several at a time,
// tried again until each has an answer. Identities are minted before the first
// try, so that a second one never counts twice.
package send

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/streamctl/streamctl/internal/client"
	"github.com/streamctl/streamctl/internal/event"
)

// Item is an event on its way, with where it came from.
type Item struct {
	event.Event
	// Line is its line in the input, counted from 1; 0 where it has none.
	Line int
}

// Source gives events, each with its identity, and io.EOF at their end. A
// *BadError is an event that is none; the next call goes on after it.
type Source interface {
	Next() (Item, error)
}

// BadError is a piece of input that is no event.
type BadError struct {
	Line int
	// Text is the input as it was.
	Text []byte
	Err  error
}

func (e *BadError) Error() string { return e.Err.Error() }

// Unwrap is what is wrong with it.
func (e *BadError) Unwrap() error { return e.Err }

// Rejects keeps what wasn't accepted: Bad what can't be, Unsent what may be
// sent again as it is kept.
type Rejects interface {
	Bad(line int, text []byte, reason string) error
	Unsent(Item) error
}

// Options say how to send.
type Options struct {
	Client *client.Client
	// Batch is the most events of a request, 1 to 500.
	Batch int
	// Linger is how long an event waits for others to share its request.
	Linger time.Duration
	// Concurrency is the most requests at a time.
	Concurrency int
	// Rate is events a second; 0 is as fast as they are answered.
	Rate float64
	// RetryFor is how long an event is tried again that wasn't answered, or was
	// answered with 429 or 5xx.
	RetryFor time.Duration
	Rejects  Rejects
	// Accepted is told of each answer: how many were accepted, and when.
	Accepted func(events int, at time.Time)
	Now      func() time.Time
}

// maxBytes keeps a request under what Lambda can be handed.
const maxBytes = 3 << 20

// sender is a run.
type sender struct {
	o       Options
	batches chan []Item
	mu      sync.Mutex
	sum     Summary
	took    []time.Duration // each answered request's
	fatal   error
	cancel  context.CancelFunc
}

// Run sends all that source gives. When ctx ends, no more is read, what is
// under way is finished or told to Rejects, and the summary says so. An error
// is one that ends the run: of the input, of the credentials, of Rejects.
func Run(ctx context.Context, source Source, o Options) (Summary, error) {
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s := &sender{o: o, batches: make(chan []Item), cancel: cancel}
	s.sum.Began = o.Now()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(working, stop)
	var workers sync.WaitGroup
	for range o.Concurrency {
		workers.Go(func() {
			for batch := range s.batches {
				s.deliver(working, reading, batch)
			}
		})
	}
	err := s.gather(reading, source)
	close(s.batches)
	workers.Wait()
	s.sum.finish(o.Now(), s.took)
	s.sum.Interrupted = ctx.Err() != nil
	return s.sum, errors.Join(s.fatal, err)
}

// gather makes batches of what the source gives.
func (s *sender) gather(ctx context.Context, source Source) error {
	items := make(chan Item)
	ended := make(chan error, 1)
	go func() {
		defer close(items)
		ended <- s.read(ctx, source, items)
	}()
	var batch []Item
	size := 0
	linger := time.NewTimer(s.o.Linger)
	defer linger.Stop()
	flush := func() {
		if len(batch) > 0 {
			s.batches <- batch // a worker comes: each batch ends
			batch, size = nil, 0
		}
	}
	for {
		select {
		case item, ok := <-items:
			if !ok {
				flush()
				return <-ended
			}
			n := sizeOf(item)
			if size+n > maxBytes {
				flush()
			}
			if len(batch) == 0 {
				linger.Reset(s.o.Linger)
			}
			if batch, size = append(batch, item), size+n; len(batch) == s.o.Batch {
				flush()
			}
		case <-linger.C:
			flush()
		}
	}
}

func sizeOf(i Item) int { return len(i.Properties) + len(i.UserID) + len(i.Type) + 128 }

// read hands the source's events on, no faster than the rate.
func (s *sender) read(ctx context.Context, source Source, items chan<- Item) error {
	limit := rate.NewLimiter(rate.Inf, 0)
	if s.o.Rate > 0 {
		limit = rate.NewLimiter(rate.Limit(s.o.Rate), max(1, int(s.o.Rate/100)))
	}
	for {
		if limit.Wait(ctx) != nil {
			return nil
		}
		item, err := source.Next()
		var bad *BadError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			if err := s.refused(bad.Line, bad.Text, bad.Err.Error()); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		select {
		case items <- item:
			s.mu.Lock()
			s.sum.Read++
			s.mu.Unlock()
		case <-ctx.Done():
			return nil
		}
	}
}

// refused notes an event that can never be accepted.
func (s *sender) refused(line int, text []byte, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.refuse(line, reason)
	return s.o.Rejects.Bad(line, text, reason)
}

// fail ends the run.
func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal == nil {
		s.fatal = err
	}
	s.cancel()
}

// Package send sends events to a platform's API: in batches, several in parallel,
// retried until each has a response. Identities are minted before the first try, so
// that a retry is never counted twice.
package send

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/event"
)

// Item is an event with its place in the input.
type Item struct {
	event.Event
	// Line is its line in the input, from 1; 0 for an event that was not read from a
	// file.
	Line int
	// Number is its position in the input, from 1.
	Number int
	// Minted reports whether the input lacks its id or its timestamp.
	Minted bool
}

// Source returns events, each with its identity, and io.EOF at the end. A *BadError is
// input that isn't an event; the next call continues after it.
type Source interface {
	Next() (Item, error)
}

// BadError reports input that isn't an event.
type BadError struct {
	Line, Number int
	// Text is the input, unchanged.
	Text []byte
	Err  error
}

func (e *BadError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *BadError) Unwrap() error { return e.Err }

// Rejects keeps events that weren't accepted: Bad those that never can be, Unsent those
// that can be sent again as they are kept.
type Rejects interface {
	Bad(line int, text []byte, reason string) error
	Unsent(Item) error
}

// Options configure Run.
type Options struct {
	Client *api.Client
	// Batch is the largest number of events per request, 1 to 500.
	Batch int
	// Linger is how long an event waits for others to share its request.
	Linger time.Duration
	// Concurrency is the largest number of parallel requests.
	Concurrency int
	// Rate is events per second; 0 sends as fast as the API responds.
	Rate float64
	// RetryFor is how long an event without a response, or with a 429 or 5xx, is
	// retried.
	RetryFor time.Duration
	Rejects  Rejects
	// For stops reading the source after this time; 0 reads all of it.
	For time.Duration
	// KeepRest reads the source to its end after an interrupt or a fatal error, and
	// passes the events to Rejects.Unsent. Do not set it for a source without an end.
	KeepRest bool
	// Interrupted is called once, when ctx of Run ends. It returns a context whose end
	// abandons the requests in progress and the rest of the source. Nil never abandons
	// them.
	Interrupted func(ctx context.Context) context.Context
	// Accepted is called for each response with the number of accepted events and the
	// time.
	Accepted func(events int, at time.Time)
}

// maxBytes keeps a request below Lambda's limit.
const maxBytes = 3 << 20

// sender is a run.
type sender struct {
	o       Options
	batches chan []Item
	mu      sync.Mutex
	sum     Summary
	took    []time.Duration // of each request with a response
	fatal   error
	// stop ends reading and retries; abort also ends requests in progress.
	stop, abort context.CancelFunc
	unkept      *UnkeptError
}

// Run sends the events of source. When ctx ends, it stops reading, waits for the
// requests in progress, and passes every event without a response to Rejects. It
// returns an error that ended the run: of the input, the credentials, or Rejects.
func Run(ctx context.Context, source Source, o Options) (Summary, error) {
	working, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	sending, stop := context.WithCancel(ctx)
	defer stop()
	s := &sender{o: o, batches: make(chan []Item), stop: stop, abort: abort}
	s.sum.Began = time.Now()
	detach := context.AfterFunc(ctx, func() {
		if o.Interrupted != nil {
			context.AfterFunc(o.Interrupted(context.WithoutCancel(ctx)), abort)
		}
	})
	defer detach()
	var workers sync.WaitGroup
	for range o.Concurrency {
		workers.Go(func() {
			for batch := range s.batches {
				s.deliver(working, sending, batch)
			}
		})
	}
	err := s.gather(working, sending, source)
	close(s.batches)
	workers.Wait()
	s.sum.finish(time.Now(), s.took)
	s.sum.Interrupted = ctx.Err() != nil
	if in, ok := source.(interface{ Lines() int }); ok {
		s.sum.Lines = in.Lines()
	}
	if s.unkept != nil {
		err = errors.Join(s.unkept, err)
	}
	return s.sum, errors.Join(s.fatal, err)
}

// gather combines the events of the source into batches.
func (s *sender) gather(working, sending context.Context, source Source) error {
	items := make(chan Item)
	ended := make(chan error, 1)
	go func() {
		defer close(items)
		ended <- s.read(working, sending, source, items)
	}()
	var batch []Item
	size := 0
	linger := time.NewTimer(s.o.Linger)
	defer linger.Stop()
	flush := func() {
		if len(batch) == 0 {
			return
		}
		if sending.Err() == nil {
			s.batches <- batch // a worker becomes free: each batch ends
		} else {
			s.unsent(batch...)
		}
		batch, size = nil, 0
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

// read passes on the source's events, no faster than the rate. When sending has ended,
// it keeps them.
func (s *sender) read(working, sending context.Context, source Source, items chan<- Item) error {
	limit := rate.NewLimiter(rate.Inf, 0)
	if s.o.Rate > 0 {
		limit = rate.NewLimiter(rate.Limit(s.o.Rate), max(1, int(s.o.Rate/100)))
	}
	reading, cancel := sending, context.CancelFunc(func() {})
	if s.o.For > 0 {
		reading, cancel = context.WithTimeout(sending, s.o.For)
	}
	defer cancel()
	for {
		if limit.Wait(reading) != nil {
			if sending.Err() == nil || !s.o.KeepRest {
				return nil
			}
			if working.Err() != nil {
				s.position(source)
				return nil
			}
		}
		item, err := source.Next()
		var bad *BadError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			if err := s.refused(Refusal{Line: bad.Line, Number: bad.Number, Reason: bad.Err.Error()}, bad.Text); err != nil {
				s.fail(err)
			}
			continue
		case err != nil:
			return err
		}
		s.mu.Lock()
		if item.Minted {
			s.sum.Minted++
		}
		s.mu.Unlock()
		if sending.Err() != nil {
			s.unsent(item)
			continue
		}
		select {
		case items <- item:
		case <-sending.Done():
			s.unsent(item)
		}
	}
}

// position records where reading stopped.
func (s *sender) position(source Source) {
	if in, ok := source.(interface{ Position() int }); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sum.ResumeLine = in.Position()
	}
}

// refused records an event that can never be accepted.
func (s *sender) refused(r Refusal, text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.refuse(r)
	return s.o.Rejects.Bad(r.Line, text, r.Reason)
}

// fail ends the run: no more events are sent, requests in progress finish.
func (s *sender) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal == nil {
		s.fatal = err
	}
	s.stop()
}

package maintenance

import (
	"context"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

const (
	// slowAbove is the lag of the stream above which a job slows down, and
	// fastBelow the lag below which it speeds up again.
	slowAbove = time.Second
	fastBelow = 500 * time.Millisecond
	// lagEvery is the interval at which the lag is read.
	lagEvery = time.Second
	// minDelay and maxDelay limit the pause before each step of a job that slows
	// down: it never stops, because the stream may lag for other reasons.
	minDelay = 250 * time.Millisecond
	maxDelay = 4 * time.Second
	// slowChunk is the chunk size of a job that slows down.
	slowChunk = 500
)

// pace spreads the steps of a slice over time.
type pace struct {
	clock pause.Clock
	lag   func(context.Context) (time.Duration, error)
	rate  int
	// began is the start of the slice and length its time; limit is the time
	// that pauses may not exceed.
	began         time.Time
	length, limit time.Duration

	events  int           // so far
	delay   time.Duration // while the stream lags
	rest    time.Duration // before the next step
	checked time.Time
	slowed  time.Duration
}

func newPace(h *Handler, task contract.MaintenanceTask) pace {
	limit := contract.MaxSliceSeconds * time.Second
	length := time.Duration(task.Seconds) * time.Second
	if length <= 0 || length > limit {
		length = limit
	}
	return pace{clock: h.Clock, lag: h.Warehouse.Jobs.LiveLag, rate: task.Rate, began: h.Clock.Now(), length: length, limit: limit}
}

// hasTime reports whether another step may start.
func (p *pace) hasTime() bool { return p.clock.Now().Sub(p.began) < p.length }

// wait waits before a step: for the stream, for the rate, and for the rest
// after the last step.
func (p *pace) wait(ctx context.Context) error {
	if now := p.clock.Now(); now.Sub(p.checked) >= lagEvery {
		p.checked = now
		lag, err := p.lag(ctx)
		if err != nil {
			return err
		}
		switch {
		case lag > slowAbove:
			p.delay = min(max(2*p.delay, minDelay), maxDelay)
		case lag < fastBelow:
			if p.delay /= 2; p.delay < minDelay {
				p.delay = 0
			}
		}
	}
	wait := max(p.delay, p.rest)
	p.rest = 0
	p.slowed += p.delay
	elapsed := p.clock.Now().Sub(p.began)
	if p.rate > 0 {
		due := time.Duration(float64(p.events) / float64(p.rate) * float64(time.Second))
		wait = max(wait, due-elapsed)
	}
	if wait = min(wait, p.limit-elapsed); wait <= 0 {
		return nil
	}
	return p.clock.For(ctx, wait)
}

// chunk returns the maximum number of events of the next chunk.
func (p *pace) chunk() int {
	n := warehouse.MaxChunk
	if p.delay > 0 {
		n = slowChunk
	}
	if p.rate > 0 {
		n = min(n, p.rate)
	}
	return n
}

// left returns the rest of the slice's time.
func (p *pace) left() time.Duration { return p.length - p.clock.Now().Sub(p.began) }

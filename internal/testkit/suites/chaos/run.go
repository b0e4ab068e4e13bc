package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// steps is the number of the clients' requests in a run, with minutes of event
// time in between.
const steps = 60

// day is a day of event time.
const day = 24 * time.Hour

// Run runs one seed: a platform under load with nearly every possible fault. It
// returns a report.
func Run(t testing.TB, servers *Servers, seed uint64) *Report {
	t.Helper()
	w := NewWorld(t, servers, seed, 1+int(seed%3), Variants{})
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	report, err := w.run(ctx, seed)
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	return report
}

func (w *World) run(ctx context.Context, seed uint64) (*Report, error) {
	w.Client.Late = []time.Duration{26 * time.Hour, missingDay * day, 4 * day, 5 * day}
	if seed%4 == 1 {
		w.Client.Kinds = 130 // more than a metric's limit
	}
	w.Stream.SetTrouble(3)
	w.Processor.fault = w.faults(CutBeforeCommit, KillAfterRedis, KillAtEnd)
	w.Archiver.fault = w.faults(KillBeforePut, KillAtEnd, KillAtEnd)
	if err := errors.Join(w.StartProcessor(ctx, settings(50, 1), nil), w.StartArchiver(ctx, 80, nil)); err != nil {
		return nil, err
	}
	defer w.StopMappings()
	background, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var asking error
	wg.Go(func() { w.keepRefreshing(background) })
	wg.Go(func() { w.keepPacking(background) })
	wg.Go(func() { asking = w.keepAsking(background) })

	p := w.plan(seed)
	for step := range steps {
		if err := p.at(ctx, step); err != nil {
			return nil, fmt.Errorf("step %d: %w", step, err)
		}
		if err := w.traffic(ctx, step); err != nil {
			return nil, fmt.Errorf("step %d: %w", step, err)
		}
	}
	if err := p.end(ctx); err != nil {
		return nil, err
	}
	w.Stream.SetTrouble(0)
	if err := w.Client.Finish(ctx); err != nil {
		return nil, err
	}
	if err := w.Drain(ctx); err != nil {
		return nil, err
	}
	stop()
	wg.Wait()
	if asking != nil {
		return nil, asking
	}
	return w.settle(ctx, seed)
}

// faults chooses, for a fifth of the invocations, a fault from first to last or
// another one.
func (w *World) faults(first, last, other Fault) func() Fault {
	return func() Fault {
		if !w.Random.Percent(20) {
			return NoFault
		}
		n := w.Random.IntN(int(last-first) + 2)
		if n > int(last-first) {
			return other
		}
		return first + Fault(n)
	}
}

// traffic is the clients' activity in a few minutes of event time.
func (w *World) traffic(ctx context.Context, step int) error {
	w.Clock.Advance(time.Duration(60+w.Steps.IntN(180)) * time.Second)
	if w.hurry {
		w.Clock.Advance(7 * time.Minute)
	}
	if err := w.Client.Send(ctx, 10+w.Steps.IntN(60)); err != nil {
		return err
	}
	if step > 0 && w.Steps.Percent(40) {
		if err := w.Client.Resend(ctx, 1+w.Steps.IntN(30)); err != nil {
			return err
		}
	}
	if w.Steps.Percent(10) {
		w.Stream.Put("nobody", []byte("no event\nneither this"))
	}
	if w.Steps.Percent(10) {
		w.Bucket.Conflict(2)
	}
	return pause.For(ctx, time.Duration(w.Steps.IntN(15))*time.Millisecond)
}

// keepRefreshing refreshes the cache like maintenance; servers may be
// unavailable.
func (w *World) keepRefreshing(ctx context.Context) {
	for pause.For(ctx, 60*time.Millisecond) == nil {
		_ = w.Refresh(ctx) // repeated the next time
	}
}

// keepAsking reads like dashboards: the last hour, and past hours.
func (w *World) keepAsking(ctx context.Context) error {
	for pause.For(ctx, 4*time.Millisecond) == nil {
		now := w.Clock.Now().Truncate(time.Minute)
		if w.Random.Percent(20) {
			now = now.Add(-26 * time.Hour)
		}
		minutes := make([]time.Time, 6)
		for i := range minutes {
			minutes[i] = now.Add(-time.Duration(w.Random.IntN(40)) * time.Minute)
		}
		name := warehouse.MetricEvents
		if w.Random.Percent(40) {
			name = w.Declarations.Now().Key()
		}
		if w.Random.Percent(10) {
			name = metric.SkippedKey(name)
		}
		if err := w.Reader.Ask(ctx, name, minutes); err != nil && ctx.Err() == nil {
			return err
		}
		if !w.Random.Percent(70) {
			continue
		}
		if err := w.Dashboard.Ask(ctx, w.Dashboard.question()); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// askAll requests all data, in one step each and by minutes.
func (w *World) askAll(ctx context.Context) error {
	now := w.Clock.Now().Truncate(time.Minute).Add(time.Minute)
	for _, q := range []question{
		w.Dashboard.series(warehouse.MetricEvents, now.Add(-24*time.Hour), now, time.Minute),
		w.Dashboard.series(warehouse.MetricEvents, now.Add(-8*day), now, day),
		w.Dashboard.series(Declared().Name, now.Add(-24*time.Hour), now, time.Minute),
		w.Dashboard.series(Declared().Name, now.Add(-8*day), now, day),
		w.Dashboard.users(w.lastKept(), now),
	} {
		if err := w.Dashboard.Ask(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until all work is done and runs the checks, and again after a
// rebuild of the cache and a replay of the whole archive.
func (w *World) settle(ctx context.Context, seed uint64) (*Report, error) {
	if err := w.patiently(ctx, func() error { return w.Refresh(ctx) }); err != nil {
		return nil, err
	}
	if err := w.askAll(ctx); err != nil {
		return nil, err
	}
	first, err := w.Report(ctx, seed)
	if err != nil || len(first.Failed) > 0 {
		return first, err
	}
	w.Processor.note(func() { w.Processor.fault = nil })
	if err := w.Replay(ctx, w.Servers.Begin, w.Clock.Now().Add(time.Hour)); err != nil {
		return nil, err
	}
	if _, err := w.Cache.Rebuild(ctx, w.Owner, w.Clock.Now().Add(-47*time.Hour), w.Clock.Now().Add(time.Hour)); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Refresh(ctx), w.askAll(ctx)); err != nil {
		return nil, err
	}
	second, err := w.Report(ctx, seed)
	if err != nil || len(second.Failed) > 0 {
		return second, err
	}
	return first, nil
}

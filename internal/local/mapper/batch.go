package mapper

import (
	"context"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

// maxPayload is Lambda's limit for an event, in bytes.
const maxPayload = 6 << 20

// fits returns how many of the records fill a batch: at most BatchSize, with an
// event of at most 6 MB.
func (o Options) fits(records []StreamRecord) int {
	size := 0
	for i, r := range records {
		size += recordSize(r)
		if i == o.Settings.BatchSize || i > 0 && size > maxPayload {
			return i
		}
	}
	return len(records)
}

// attempt is a batch and the number of failed invocations.
type attempt struct {
	records []StreamRecord
	tries   int // invocations that failed, 0 for a new batch
}

// handle invokes the function until every record of a batch is handled or given
// up. The error is ctx's cause; reading then resumes at the checkpoint.
func (s *shard) handle(ctx context.Context, l *lane, batch []StreamRecord) error {
	m := s.m
	work := []attempt{{records: batch}}
	backoff := m.o.Backoff
	for len(work) > 0 {
		a := work[0]
		if kept := m.expire(ctx, s.id, a); len(kept) < len(a.records) {
			s.done(l, len(a.records)-len(kept))
			if work[0].records = kept; len(kept) == 0 {
				work = work[1:]
			}
			continue
		}
		o, err := m.invoke(ctx, s.id, a.records)
		if err != nil {
			return err
		}
		if o.first > 0 {
			m.forget(s.id, a.records[:o.first])
			s.done(l, o.first)
			m.count(func(s *Stats) { s.Records += o.first })
		}
		if o.first == len(a.records) {
			work, backoff = work[1:], m.o.Backoff
			continue
		}
		rest := attempt{records: a.records[o.first:], tries: a.tries}
		switch {
		case o.first > 0: // progress was made: reset retries and backoff
			rest.tries, backoff = 1, m.o.Backoff
		case o.invoked:
			rest.tries++
		}
		switch {
		case !o.invoked: // retry the batch unchanged
		case m.o.TryFor > 0:
			if len(rest.records) > 1 && rest.tries >= isolateAfter {
				m.count(func(s *Stats) { s.Bisections++ })
				half := (len(rest.records) + 1) / 2
				work = append([]attempt{{rest.records[:half], isolateAfter - 1}, {rest.records[half:], 0}}, work[1:]...)
				if err := pause.For(ctx, backoff); err != nil {
					return err
				}
				continue
			}
			if len(rest.records) == 1 && m.spend(ctx, s.id, rest.records[0], o.took+backoff) >= m.o.TryFor {
				if err := m.giveUp(ctx, s.id, rest.records, rest.tries, "RetryAttemptsExhausted"); err != nil {
					return err
				}
				m.forget(s.id, rest.records)
				s.done(l, 1)
				work, backoff = work[1:], m.o.Backoff
				continue
			}
		case m.o.Settings.Bisect && o.whole && len(rest.records) > 1:
			m.count(func(s *Stats) { s.Bisections++ })
			half := (len(rest.records) + 1) / 2
			// Halving does not use up a retry.
			work = append([]attempt{{rest.records[:half], a.tries}, {rest.records[half:], a.tries}}, work[1:]...)
			continue
		case m.o.Settings.Retries >= 0 && rest.tries > m.o.Settings.Retries:
			if err := m.giveUp(ctx, s.id, rest.records, rest.tries, "RetryAttemptsExhausted"); err != nil {
				return err
			}
			s.done(l, len(rest.records))
			work, backoff = work[1:], m.o.Backoff
			continue
		}
		work[0] = rest
		m.count(func(s *Stats) { s.Retries++ })
		if err := pause.For(ctx, backoff); err != nil {
			return err
		}
		backoff = min(2*backoff, m.o.MaxBackoff)
	}
	return nil
}

// expire gives up the records at the head of a batch that are too old to be
// tried (again) and returns the rest.
func (m *Mapper) expire(ctx context.Context, shard string, a attempt) []StreamRecord {
	limit := m.o.Settings.RecordAgeSeconds
	if limit < 0 {
		return a.records
	}
	oldest := time.Now().Add(-time.Duration(limit) * time.Second)
	n := 0
	for n < len(a.records) && a.records[n].Arrival.Before(oldest) {
		n++
	}
	if n == 0 {
		return a.records
	}
	if err := m.giveUp(ctx, shard, a.records[:n], a.tries, "RecordAgeExceeded"); err != nil {
		return a.records
	}
	return a.records[n:]
}

// outcome is the result of one invocation for a batch.
type outcome struct {
	first   int  // the first record to retry
	whole   bool // the batch as a whole failed
	invoked bool // false if the function could not be run
	took    time.Duration
}

// invoke runs the function once. The error is ctx's cause.
func (m *Mapper) invoke(ctx context.Context, shard string, records []StreamRecord) (outcome, error) {
	payload, err := m.event(shard, records)
	if err != nil {
		return outcome{}, err
	}
	if err := m.begin(ctx); err != nil {
		return outcome{}, err
	}
	defer m.inFlight.Done()
	m.count(func(s *Stats) { s.Invocations++ })
	began := time.Now()
	res, err := m.o.Invoker.Invoke(ctx, payload)
	// Cap the time: a machine that sleeps during an invocation is not trying
	// the record.
	took := min(max(time.Since(began), 0), maxInvocation)
	if ctx.Err() != nil {
		return outcome{}, context.Cause(ctx)
	}
	if err != nil {
		m.o.Log.WarnContext(ctx, "function not invoked", "shard", shard, "err", err)
		return outcome{}, nil
	}
	o := outcome{invoked: true, whole: true, took: took}
	if !res.Failed {
		o.first, o.whole = firstFailed(res.Payload, records)
	}
	if o.first < len(records) {
		m.count(func(s *Stats) { s.Failures++ })
		m.o.Log.InfoContext(ctx, "batch failed", "shard", shard, "records", len(records), "from", records[o.first].SequenceNumber)
	}
	return o, nil
}

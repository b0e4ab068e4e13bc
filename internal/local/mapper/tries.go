package mapper

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Failing is a record that fails even in a batch of its own.
type Failing struct {
	Shard, SequenceNumber string
	// For is how long it has been tried.
	For time.Duration
}

func (f Failing) String() string {
	return fmt.Sprintf("record %s of %s fails alone, tried for %s", f.SequenceNumber, f.Shard, f.For.Round(time.Second))
}

// isolateAfter is the number of consecutive failures at the same record after
// which one of the batch's records is assumed to be at fault.
const isolateAfter = 2

// maxInvocation is Lambda's maximum timeout.
const maxInvocation = 15 * time.Minute

// spend adds to the time that a record has been tried alone, and returns the
// total.
func (m *Mapper) spend(ctx context.Context, shard string, r StreamRecord, d time.Duration) time.Duration {
	blame := m.o.Blame == nil || m.o.Blame(ctx)
	m.mu.Lock()
	spent := m.tried[shard][r.SequenceNumber]
	if !blame {
		m.mu.Unlock()
		return min(spent, m.o.TryFor-1)
	}
	spent += d
	if m.tried[shard] == nil {
		m.tried[shard] = map[string]time.Duration{}
	}
	m.tried[shard][r.SequenceNumber] = spent
	m.mu.Unlock()
	if m.o.Trying != nil {
		m.o.Trying(shard, r.SequenceNumber, spent)
	}
	return spent
}

// forget removes the tries of records that were handled or given up.
func (m *Mapper) forget(shard string, records []StreamRecord) {
	m.mu.Lock()
	var known []string
	if len(m.tried[shard]) > 0 {
		for _, r := range records {
			if _, ok := m.tried[shard][r.SequenceNumber]; ok {
				delete(m.tried[shard], r.SequenceNumber)
				known = append(known, r.SequenceNumber)
			}
		}
	}
	m.mu.Unlock()
	if m.o.Trying != nil {
		for _, sequence := range known {
			m.o.Trying(shard, sequence, 0)
		}
	}
}

// Failing lists the records that fail alone, longest tried first.
func (m *Mapper) Failing() (list []Failing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for shard, records := range m.tried {
		for sequence, spent := range records {
			list = append(list, Failing{shard, sequence, spent})
		}
	}
	slices.SortFunc(list, func(a, b Failing) int { return cmp.Compare(b.For, a.For) })
	return list
}

package local

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
)

// Meters add up what the functions tell of themselves. They may be used
// concurrently.
type Meters struct {
	mu     sync.Mutex
	since  time.Time
	counts map[string]float64
	lag    time.Duration
	lagAt  time.Time
}

// Counts are the meters at a time.
type Counts struct {
	// Since is when the counting began.
	Since time.Time
	// Total is by metric, as contract names them.
	Total map[string]float64
	// LoadLag is how long the newest load came after the arrival of its records,
	// at LoadedAt; zero is never.
	LoadLag  time.Duration
	LoadedAt time.Time
}

func newMeters() *Meters { return &Meters{since: time.Now(), counts: map[string]float64{}} }

// Emit adds metrics.
func (m *Meters) Emit(_ context.Context, metrics ...emf.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, metric := range metrics {
		switch metric.Name {
		case contract.MetricLag:
			m.lag, m.lagAt = time.Duration(metric.Value)*time.Millisecond, time.Now()
		case contract.MetricHorizon, contract.MetricUnreconciled, contract.MetricTimeUsed: // levels
			m.counts[metric.Name] = metric.Value
		default:
			m.counts[metric.Name] += metric.Value
		}
	}
}

// Counts gives what was added up so far.
func (m *Meters) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Counts{Since: m.since, Total: maps.Clone(m.counts), LoadLag: m.lag, LoadedAt: m.lagAt}
}

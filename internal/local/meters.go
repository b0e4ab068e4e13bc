package local

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
)

// Meters add up the metrics that the functions emit. They are safe for
// concurrent use.
type Meters struct {
	mu     sync.Mutex
	since  time.Time
	counts map[string]float64
	lag    time.Duration
	lagAt  time.Time
	series map[meter]map[time.Time]minuteValue
}

// Counts are the meters' values at one time.
type Counts struct {
	// Since is when counting began.
	Since time.Time
	// Total holds the sums by metric name (package contract).
	Total map[string]float64
	// LoadLag is how long after the arrival of its records the latest load
	// completed, at LoadedAt; zero if nothing was loaded.
	LoadLag  time.Duration
	LoadedAt time.Time
}

func newMeters() *Meters {
	return &Meters{since: time.Now(), counts: map[string]float64{}, series: map[meter]map[time.Time]minuteValue{}}
}

// Emit adds metrics.
func (m *Meters) Emit(_ context.Context, metrics ...emf.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for _, metric := range metrics {
		m.measure(meter{contract.MetricNamespace, metric.Name, stackName}, metric.Value, now)
		switch metric.Name {
		case contract.MetricLag:
			m.lag, m.lagAt = time.Duration(metric.Value)*time.Millisecond, time.Now()
		case contract.MetricHorizon, contract.MetricUnreconciled, contract.MetricTimeUsed, contract.MetricSchema: // gauges
			m.counts[metric.Name] = metric.Value
		default:
			m.counts[metric.Name] += metric.Value
		}
	}
}

// Counts returns the current values.
func (m *Meters) Counts() Counts {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Counts{Since: m.since, Total: maps.Clone(m.counts), LoadLag: m.lag, LoadedAt: m.lagAt}
}

// Package awsstack reads the health of a stack's pipeline from CloudWatch.
package awsstack

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/health"
	"github.com/streamctl/streamctl/internal/health/stackmetrics"
)

const (
	// Window is the period of the counts, up to now.
	Window = time.Hour
	// Kept is how long a result is cached: CloudWatch charges one cent per thousand
	// metrics.
	Kept = 30 * time.Second
)

// Health reads the functions' own metrics.
type Health struct {
	API   stackmetrics.MetricsAPI
	Stack string
	// Processor and Archiver are the functions' names. Their iterator ages reveal
	// waiting records, even if the function fails and writes no metrics.
	Processor, Archiver string

	mu   sync.Mutex
	last dashboard.Health
}

// field is a metric, by its id in package health, and the destination of its value.
type field struct {
	id string
	of func(*dashboard.Health) **int64
}

func counts() []field {
	return []field{
		{"events.accepted", func(h *dashboard.Health) **int64 { return &h.Accepted }},
		{"events.rejected", func(h *dashboard.Health) **int64 { return &h.Refused }},
		{"events.unavailable", func(h *dashboard.Health) **int64 { return &h.Unavailable }},
		{"events.archived", func(h *dashboard.Health) **int64 { return &h.Archived }},
		{"events.loaded", func(h *dashboard.Health) **int64 { return &h.Inserted }},
		{"events.duplicate", func(h *dashboard.Health) **int64 { return &h.Duplicates }},
		{"events.quarantined", func(h *dashboard.Health) **int64 { return &h.Quarantined }},
		{"events.expired", func(h *dashboard.Health) **int64 { return &h.Expired }},
		{"cache.errors", func(h *dashboard.Health) **int64 { return &h.CacheErrors }},
	}
}

// Ids of the metrics that are no counts.
const (
	loadLag      = "warehouse.lag"
	processorAge = "stream.age." + contract.FuncProcessor
	archiverAge  = "stream.age." + contract.FuncArchiver
)

// Metrics is the number of metrics that CloudWatch charges per result.
func Metrics() int { return len(counts()) + 3 }

// Get returns the health of the last hour. Results are cached for Kept; concurrent
// calls share one.
func (h *Health) Get(ctx context.Context) (dashboard.Health, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now().UTC()
	if !h.last.At.IsZero() && now.Sub(h.last.At) < Kept {
		return h.last, nil
	}
	found, err := h.ask(ctx, now)
	if err != nil {
		return dashboard.Health{}, err
	}
	h.last = found
	return found, nil
}

// queries returns the queries of this page's metrics, by their ids in package health.
func (h *Health) queries() map[string]health.Query {
	p := health.Platform{Stack: h.Stack}
	for name, id := range map[string]string{contract.FuncProcessor: h.Processor, contract.FuncArchiver: h.Archiver} {
		p.Functions = append(p.Functions, health.Function{Name: name, ID: id})
	}
	out := map[string]health.Query{}
	for _, m := range health.Metrics(p) {
		wanted := slices.ContainsFunc(counts(), func(f field) bool { return f.id == m.ID }) || m.ID == loadLag || m.ID == processorAge || m.ID == archiverAge
		if wanted && m.Queries[0].Value != "" { // a stack of an old version may not have the output
			out[m.ID] = m.Queries[0]
		}
	}
	return out
}

func (h *Health) ask(ctx context.Context, now time.Time) (dashboard.Health, error) {
	found := dashboard.Health{At: now, Since: now.Add(-Window).Truncate(time.Minute)}
	asked := h.queries()
	series, err := stackmetrics.Series(ctx, h.API, slices.Collect(maps.Values(asked)), found.Since, now)
	if err != nil {
		return found, err
	}
	for _, f := range counts() {
		if s := series[asked[f.id]]; s.Unknown == "" { // a metric without data counts zero
			total := 0.0
			for _, v := range s.Values {
				total += v
			}
			*f.of(&found) = aws.Int64(int64(math.Round(total)))
		}
	}
	for _, id := range []string{loadLag, processorAge} {
		if at, ms, ok := newest(series[asked[id]]); ok {
			newerLag(&found, ms/1000, at)
		}
	}
	if _, ms, ok := newest(series[asked[archiverAge]]); ok {
		found.ArchiveLagSeconds = aws.Float64(ms / 1000)
	}
	return found, nil
}

// newest returns the value of the latest minute that has one.
func newest(s health.Series) (at time.Time, value float64, ok bool) {
	for minute, v := range s.Values {
		if !ok || minute.After(at) {
			at, value, ok = minute, v, true
		}
	}
	return at, value, ok
}

// newerLag sets a lag in seconds if it is of a later minute than the known one, or
// longer in the same minute.
func newerLag(found *dashboard.Health, seconds float64, at time.Time) {
	if found.LagAt == nil || at.After(*found.LagAt) || at.Equal(*found.LagAt) && seconds > *found.LagSeconds {
		found.LagSeconds, found.LagAt = aws.Float64(seconds), aws.Time(at)
	}
}

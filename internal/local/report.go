package local

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/health"
)

// meter is a metric by CloudWatch's namespace, name and dimension value.
type meter struct{ namespace, name, dimension string }

// minuteValue combines the values of a metric in one minute.
type minuteValue struct{ sum, largest, least float64 }

// Namespaces of AWS in which this platform measures the same values.
const (
	lambdaMetrics = "AWS/Lambda"
)

// measure adds a value; m.mu must be locked. Minutes before the window are deleted.
func (m *Meters) measure(of meter, value float64, now time.Time) {
	at, oldest := now.UTC().Truncate(time.Minute), health.Since(now)
	all := m.series[of]
	if all == nil {
		all = map[time.Time]minuteValue{}
		m.series[of] = all
	}
	v, ok := all[at]
	if !ok { // once a minute
		for minute := range all {
			if minute.Before(oldest) {
				delete(all, minute)
			}
		}
		v.largest, v.least = value, value
	}
	v.sum, v.largest, v.least = v.sum+value, max(v.largest, value), min(v.least, value)
	all[at] = v
}

// invoked measures an invocation as Lambda does.
func (m *Meters) invoked(function string, took time.Duration, running int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	failed := 0.0
	if err != nil {
		failed = 1
	}
	m.measure(meter{lambdaMetrics, "Duration", function}, float64(took.Microseconds())/1000, now)
	m.measure(meter{lambdaMetrics, "Errors", function}, failed, now)
	m.measure(meter{lambdaMetrics, "ConcurrentExecutions", function}, float64(running), now)
}

// read returns the values of a query; ok is false if this platform never measures it.
func (m *Meters) read(q health.Query) (s health.Series, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Values = map[time.Time]float64{}
	for at, v := range m.series[meter{q.Namespace, q.Name, q.Value}] {
		switch q.Statistic {
		case "Sum":
			s.Values[at] = v.sum
		case "Minimum":
			s.Values[at] = v.least
		default:
			s.Values[at] = v.largest
		}
	}
	measured := q.Namespace == contract.MetricNamespace || q.Namespace == lambdaMetrics && slices.Contains([]string{"Duration", "Errors", "ConcurrentExecutions"}, q.Name)
	return s, measured
}

// report returns the values that `streamctl status` shows: the metrics of a stack that
// this platform measures too, and its own faults in place of alarms.
func (p *Platform) report(context.Context) (health.Report, error) {
	now, status := time.Now(), p.Status()
	platform := health.Platform{Stack: stackName}
	for _, f := range contract.Functions() {
		if f.Name != contract.FuncSchema { // it runs only at the start
			platform.Functions = append(platform.Functions, health.Function{Name: f.Name, ID: f.Name, Timeout: timeoutOf(p.o.Variables, f.Name)})
		}
	}
	ages := map[string]time.Duration{contract.FuncProcessor: status.Loading.Age, contract.FuncArchiver: status.Archiving.Age}
	read := func(q health.Query) (health.Series, bool) {
		if age, ok := ages[q.Value]; ok && q.Name == "IteratorAge" { // known only now
			return health.Series{Values: map[time.Time]float64{now.UTC().Truncate(time.Minute): float64(age.Milliseconds())}}, true
		}
		return p.meters.read(q)
	}
	metrics := slices.DeleteFunc(health.Metrics(platform), func(m health.Metric) bool {
		return slices.ContainsFunc(m.Queries, func(q health.Query) bool { _, ok := read(q); return !ok })
	})
	r := health.NewReport(metrics, func(q health.Query) health.Series { s, _ := read(q); return s }, nil, now)
	if status.Since.After(r.Since) {
		r.Since = status.Since
	}
	r.Troubles = slices.Clone(status.Troubles)
	for _, f := range status.Failing {
		r.Troubles = append(r.Troubles, f.String())
	}
	if status.Failed > 0 {
		r.Troubles = append(r.Troubles, fmt.Sprintf("batches given up: %d; see aws/lambda in the archive", status.Failed))
	}
	if status.Missing > 0 {
		r.Troubles = append(r.Troubles, fmt.Sprintf("records missing: %d; see damage-*.json in the data folder", status.Missing))
	}
	return r, nil
}

package health

import (
	"maps"
	"slices"
	"time"
)

// Window is the period of the graphs and counts, up to now; each has a value per minute.
const (
	Window  = time.Hour
	minutes = int(Window / time.Minute)
)

// Series are the values of a query, by the start of their minute.
type Series struct {
	Values map[time.Time]float64
	// Unknown is why the values could not be read; empty if they were.
	Unknown string
}

// Report is the platform's health. A value that could not be read is unknown, with the
// reason, and never looks healthy.
type Report struct {
	// At is the time of the measurement, Since the start of the counts.
	At    time.Time `json:"at"`
	Since time.Time `json:"since"`
	// Alarms are the alarms; nil for a platform that has none.
	Alarms *Alarms `json:"alarms,omitempty"`
	// Troubles are persistent faults that the platform itself reports, one sentence each.
	Troubles []string `json:"troubles,omitempty"`
	// Metrics are in display order.
	Metrics []Value `json:"metrics"`
	// SchemaVersion, PreparedPartitions and UnreconciledHours are the newest values; null
	// if unknown.
	SchemaVersion      *int `json:"schemaVersion"`
	PreparedPartitions *int `json:"preparedPartitions"`
	UnreconciledHours  *int `json:"unreconciledHours"`
	// Jobs counts the running jobs; null if the platform does not report them.
	Jobs *int `json:"jobs,omitempty"`
}

// Value is a metric's value.
type Value struct {
	ID        string `json:"id"`
	Component string `json:"component"`
	Name      string `json:"name"`
	// Unit is count, milliseconds, seconds, bytes, percent, fraction, days or number.
	Unit string `json:"unit"`
	// Value is the newest value, or the total of the hour for counts; null if unknown or
	// without data.
	Value *float64 `json:"value"`
	// Minutes are the values of the hour, the newest last; null without data.
	Minutes []*float64 `json:"minutes"`
	// Limit is the largest possible value.
	Limit float64 `json:"limit,omitempty"`
	// Alarm is the logical id of the alarm on this value.
	Alarm string `json:"alarm,omitempty"`
	// Threshold is that of the alarm per minute.
	Threshold *float64 `json:"threshold,omitempty"`
	// Beyond reports whether a value of the last five minutes, or the newest one, is beyond
	// the threshold.
	Beyond bool `json:"beyond,omitempty"`
	// Unknown is why the value is unknown.
	Unknown string `json:"unknown,omitempty"`
}

// recent is the number of minutes in which a count beyond the threshold is marked.
const recent = 5

// NewReport combines the values of metrics. series returns the values of a query; alarms
// may be nil.
func NewReport(metrics []Metric, series func(Query) Series, alarms *Alarms, now time.Time) Report {
	r := Report{At: now, Since: Since(now), Alarms: alarms, Metrics: []Value{}}
	for _, m := range metrics {
		v := newValue(m, series, r.Since)
		v.judge(m, alarms)
		r.Metrics = append(r.Metrics, v)
	}
	whole := func(id string) *int {
		i := slices.IndexFunc(r.Metrics, func(v Value) bool { return v.ID == id })
		if i < 0 || r.Metrics[i].Value == nil {
			return nil
		}
		return new(int(*r.Metrics[i].Value))
	}
	r.SchemaVersion, r.PreparedPartitions, r.UnreconciledHours = whole(idSchema), whole(idHorizon), whole(idUnreconciled)
	return r
}

// Since returns the start of the window that ends with the running minute.
func Since(now time.Time) time.Time {
	return now.UTC().Truncate(time.Minute).Add(time.Minute - Window)
}

func newValue(m Metric, series func(Query) Series, since time.Time) Value {
	v := Value{ID: m.ID, Component: m.Component, Name: m.Name, Unit: m.Unit, Limit: m.Limit, Alarm: m.Alarm, Minutes: make([]*float64, minutes)}
	lines := make([]Series, len(m.Queries))
	for i, q := range m.Queries {
		lines[i] = series(q)
		if lines[i].Unknown != "" {
			v.Unknown = lines[i].Unknown
			return v
		}
	}
	totals := make([]*float64, len(lines)) // of each series
	counted := m.counted() && slices.ContainsFunc(lines, func(s Series) bool { return len(s.within(since)) > 0 })
	for n := range v.Minutes {
		at := since.Add(time.Duration(n) * time.Minute)
		values := make([]*float64, len(lines))
		for i, line := range lines {
			x, ok := line.Values[at]
			switch {
			case ok:
				values[i] = &x
				totals[i] = add(totals[i], x)
			case counted:
				values[i] = new(0.0)
			}
		}
		v.Minutes[n] = m.combine(values)
	}
	switch {
	case counted:
		v.Value = new(0.0)
		for _, x := range v.Minutes {
			v.Value = add(v.Value, *x)
		}
	case m.Combine == RatioOf: // of the hour: a minute may have few calls
		v.Value = m.combine(totals)
	default:
		for _, x := range v.Minutes {
			if x != nil {
				v.Value = x
			}
		}
	}
	return v
}

// within returns the values of the window.
func (s Series) within(since time.Time) map[time.Time]float64 {
	out := maps.Clone(s.Values)
	maps.DeleteFunc(out, func(at time.Time, _ float64) bool { return at.Before(since) })
	return out
}

func add(total *float64, x float64) *float64 {
	if total == nil {
		return &x
	}
	return new(*total + x)
}

// combine combines the values of the series in a minute; nil without data.
func (m Metric) combine(values []*float64) *float64 {
	if m.Combine == RatioOf {
		half := len(values) / 2
		hits, misses := total(values[:half]), total(values[half:])
		if hits == nil && misses == nil {
			return nil
		}
		part, rest := valueOr0(hits), valueOr0(misses)
		if part+rest == 0 {
			return nil
		}
		return new(100 * part / (part + rest))
	}
	var out *float64
	for _, x := range values {
		switch {
		case x == nil:
		case out == nil, m.Combine == LargestOf && *x > *out, m.Combine == LeastOf && *x < *out:
			out = new(*x)
		case m.Combine == SumOf:
			out = new(*out + *x)
		}
	}
	return out
}

func total(values []*float64) (out *float64) {
	for _, x := range values {
		if x != nil {
			out = add(out, *x)
		}
	}
	return out
}

func valueOr0(x *float64) float64 {
	if x == nil {
		return 0
	}
	return *x
}

// judge marks a value that is beyond its limit or its alarm's threshold.
func (v *Value) judge(m Metric, alarms *Alarms) {
	if m.Limit > 0 && v.Value != nil && *v.Value > m.Limit*nearLimit/100 {
		v.Beyond = true
	}
	if m.Alarm == "" || alarms == nil {
		return
	}
	state, ok := alarms.states[m.Alarm]
	if !ok {
		return
	}
	if m.Derived {
		v.Beyond = state.firing
		return
	}
	v.Threshold = new(state.threshold)
	beyond := func(x float64) bool {
		if state.below {
			return x < state.threshold
		}
		return x > state.threshold
	}
	if !m.counted() {
		v.Beyond = v.Value != nil && beyond(*v.Value)
		return
	}
	for _, x := range v.Minutes[len(v.Minutes)-recent:] {
		v.Beyond = v.Beyond || x != nil && beyond(*x)
	}
}

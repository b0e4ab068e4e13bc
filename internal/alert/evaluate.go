package alert

import (
	"time"
)

// Minute has the numbers of a series in one minute.
type Minute struct {
	// At is the start of the minute.
	At time.Time
	// N is the number of events; Sum, Min and Max are those of the metric's field.
	N             int64
	Sum, Min, Max float64
}

// Data has the minutes that an evaluation may need. A minute that is missing in a series
// had no events.
type Data struct {
	// Minutes are ordered by time.
	Minutes map[Series][]Minute
	// Since is the time from which a series is complete; the zero time means always.
	Since map[Series]time.Time
	// Folded are the series whose value may be counted under another value.
	Folded map[Series]bool
}

// The states of an alert.
const (
	OK       = "ok"
	Pending  = "pending"  // the condition holds, but not long enough
	Firing   = "firing"   // since State.Since
	Silenced = "silenced" // would fire, but is silent
	NoData   = "no data"  // the numbers don't decide
)

// State is the state of an alert after a minute.
type State struct {
	State string
	// Since is the end of the first minute in this state.
	Since time.Time
	// Holds is the end of the first minute from which the condition has held without a
	// break; the zero time if it does not hold.
	Holds time.Time
	// Value is the number, the ratio, or the change in percent; meaningless for NoData.
	Value float64
}

// week is the distance of a comparison.
const week = 7 * 24 * time.Hour

// Next returns the state after the minute that ends at end.
func (d Definition) Next(before State, end time.Time, data Data) (State, error) {
	value, known := d.value(end, data)
	after := State{Value: value, Since: before.Since, Holds: before.Holds}
	switch {
	case !known:
		after.State, after.Holds = NoData, time.Time{}
	case !d.holds(value):
		after.State, after.Holds = OK, time.Time{}
	default:
		if after.Holds.IsZero() {
			after.Holds = end
		}
		after.State = Pending
		if end.Sub(after.Holds) >= time.Duration(d.ForMinutes)*time.Minute {
			silent, err := d.IsSilent(end)
			if err != nil {
				return before, err
			}
			after.State = Firing
			if silent {
				after.State = Silenced
			}
		}
	}
	if after.State != before.State {
		after.Since = end
	}
	return after, nil
}

// holds reports whether the condition is met.
func (d Definition) holds(value float64) bool {
	switch {
	case d.Above != nil:
		return value > *d.Above
	case d.Below != nil:
		return value < *d.Below
	case d.IncreasePercent != nil:
		return value > *d.IncreasePercent
	case d.DecreasePercent != nil:
		return value < -*d.DecreasePercent
	}
	return d.Absent && value == 0
}

// IsAboutLittle reports whether few events, rather than many, make the alert fire: then
// events that are not loaded yet could be the reason.
func (d Definition) IsAboutLittle() bool {
	return d.Above == nil && d.IncreasePercent == nil || d.Per != nil
}

// value returns the number that the condition compares.
func (d Definition) value(end time.Time, data Data) (value float64, known bool) {
	series, aggregate := d.Number()
	now, ok := data.over(series, aggregate, end.Add(-d.Window()), end)
	if !ok {
		return 0, false
	}
	minEvents := int64(d.MinEvents)
	if d.ComparesWeeks() {
		before, ok := data.over(series, aggregate, end.Add(-d.Window()-week), end.Add(-week))
		if !ok || before.value == 0 || before.n < minEvents {
			return 0, false
		}
		return (now.value - before.value) / before.value * 100, true
	}
	if by, aggregate, ok := d.Divisor(); ok {
		divisor, ok := data.over(by, aggregate, end.Add(-d.Window()), end)
		if !ok || divisor.value == 0 || divisor.n < minEvents {
			return 0, false
		}
		return now.value / divisor.value, true
	}
	if now.n < minEvents && !d.Absent {
		return 0, false
	}
	return now.value, true
}

type aggregated struct {
	value float64
	n     int64
}

// over aggregates a series from (inclusive) to (exclusive). ok is false if the series
// does not decide the value.
func (d Data) over(s Series, aggregate string, from, to time.Time) (out aggregated, ok bool) {
	if d.Folded[s] || d.Since[s].After(from) {
		return out, false
	}
	var sum, least, most float64
	for _, m := range d.Minutes[s] {
		if m.At.Before(from) || !m.At.Before(to) || m.N == 0 {
			continue
		}
		if out.n == 0 || m.Min < least {
			least = m.Min
		}
		if out.n == 0 || m.Max > most {
			most = m.Max
		}
		out.n += m.N
		sum += m.Sum
	}
	switch aggregate {
	case AggregateCount:
		out.value = float64(out.n)
		return out, true
	case AggregateSum:
		out.value = sum
		return out, true
	}
	if out.n == 0 {
		return out, false // nothing has an average, a least or a largest value
	}
	switch aggregate {
	case AggregateAverage:
		out.value = sum / float64(out.n)
	case AggregateMin:
		out.value = least
	case AggregateMax:
		out.value = most
	}
	return out, true
}

// Need is a time range that an evaluation reads of a series.
type Need struct {
	Series   Series
	From, To time.Time
}

// Needs returns the ranges for the evaluation of the minutes that end after first and up
// to last.
func (d Definition) Needs(first, last time.Time) (out []Need) {
	series, _ := d.Number()
	from := first.Add(time.Minute - d.Window())
	out = append(out, Need{series, from, last})
	if d.ComparesWeeks() {
		out = append(out, Need{series, from.Add(-week), last.Add(-week)})
	}
	if by, _, ok := d.Divisor(); ok {
		out = append(out, Need{by, from, last})
	}
	return out
}

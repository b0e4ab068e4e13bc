package config

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// alerts checks the declared alerts.
func alerts(v Variables, r *rules) {
	r.limits("Alerts", limit{items: alert.MaxDefinitions})
	r.limits("Alerts[].Name", limit{pattern: metric.NamePattern})
	r.limits("Alerts[].Silence", limit{items: alert.MaxSilences})
	r.limits("Alerts[].Severity", limit{allowed: alert.Severities(), zero: true})
	r.limits("Alerts[].WindowMinutes", limit{high: alert.MaxMinutes})
	r.limits("Alerts[].ForMinutes", limit{high: alert.MaxMinutes})
	r.limits("Alerts[].MinEvents", limit{high: math.MaxInt32})
	r.limits("Alerts[].Per.Aggregate", limit{allowed: alert.Aggregates(), zero: true})
	r.limits("Alerts[].Aggregate", limit{allowed: alert.Aggregates(), zero: true})
	if len(v.Alerts) > alert.MaxDefinitions {
		r.add("Alerts", "%d alerts: want at most %d", len(v.Alerts), alert.MaxDefinitions)
	}
	valid := true
	for i, d := range v.Alerts {
		at := fmt.Sprintf("Alerts[%d]", i)
		for _, p := range d.Check(func(name string) (int, bool, bool) { return fieldsOf(v, name) }) {
			valid = false
			path := at
			if p.Field != "" {
				path += "." + p.Field
			}
			r.add(path, "%s", p.What)
		}
		for field, s := range series(d) {
			if err := event.CheckType(s.Value); s.Metric == alert.EventsMetric && s.Value != "" && err != nil {
				r.add(at+"."+field, "%q: %v", s.Value, err)
			}
		}
		if o := slices.IndexFunc(v.Alerts[:i], func(o alert.Definition) bool { return o.AlarmID() == d.AlarmID() }); o >= 0 {
			if d.Name == v.Alerts[o].Name {
				r.add(at+".Name", "%q: another alert has this name", d.Name)
			} else {
				r.add(at+".Name", "%q: too similar to %q; both alarms would be %s", d.Name, v.Alerts[o].Name, d.AlarmID())
			}
		}
	}
	if !valid {
		return // a number that is invalid may have no JSON
	}
	text, err := alert.Encode(v.Alerts)
	if err != nil {
		r.add("Alerts", "%s", err)
	} else if len(text) > alert.MaxBytes {
		r.add("Alerts", "%d bytes as JSON: want at most %d, the room in a function's environment; declare fewer, or use shorter names", len(text), alert.MaxBytes)
	}
}

// fieldsOf describes a metric for alert.Definition.Check.
func fieldsOf(v Variables, name string) (dimensions int, hasField, known bool) {
	if name == alert.EventsMetric {
		return 1, false, true
	}
	i := slices.IndexFunc(v.Metrics, func(d metric.Definition) bool { return d.Name == name })
	if i < 0 {
		return 0, false, false
	}
	return len(v.Metrics[i].By), v.Metrics[i].Field() != "", true
}

// ReservedTypes are the event types with a place of their own: EventTypes, and those of
// alerts, which must not be folded.
func ReservedTypes(v Variables) []string {
	types := slices.Clone(v.EventTypes)
	for _, d := range v.Alerts {
		all := series(d)
		for _, field := range slices.Sorted(maps.Keys(all)) {
			if s := all[field]; s.Metric == alert.EventsMetric && s.Value != "" && !slices.Contains(types, s.Value) {
				types = append(types, s.Value)
			}
		}
	}
	return types
}

// series returns the series of an alert by the key of their value.
func series(d alert.Definition) map[string]alert.Series {
	number, _ := d.Number()
	out := map[string]alert.Series{"Value": number}
	if by, _, ok := d.Divisor(); ok {
		out["Per.Value"] = by
	}
	return out
}

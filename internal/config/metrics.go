package config

import (
	"fmt"
	"slices"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
)

// metrics checks the declared metrics.
func (v Variables) metrics(r *rules) {
	r.limits("Metrics", limit{items: metric.MaxDefinitions})
	r.limits("Metrics[].Name", limit{pattern: metric.NamePattern})
	r.limits("Metrics[].By", limit{items: metric.MaxBy})
	if len(v.Metrics) > metric.MaxDefinitions {
		r.add("Metrics", "%d metrics: want at most %d", len(v.Metrics), metric.MaxDefinitions)
	}
	for i, d := range v.Metrics {
		at := fmt.Sprintf("Metrics[%d]", i)
		for _, p := range d.Check() {
			r.add(at+"."+p.Field, "%s", p.What)
		}
		if slices.ContainsFunc(v.Metrics[:i], func(o metric.Definition) bool { return o.Name == d.Name }) {
			r.add(at+".Name", "%q: given twice; choose another name", d.Name)
		}
	}
	text, err := metric.Encode(v.Metrics)
	if err != nil {
		r.add("Metrics", "%s", err)
	} else if len(text) > metric.MaxBytes {
		r.add("Metrics", "%d bytes as JSON: want at most %d, the room in a function's environment; declare fewer, or use shorter names", len(text), metric.MaxBytes)
	}
}

// MaxInsightProperties limits the properties in the compact form of events.
const MaxInsightProperties = 16

// insightProperties checks the properties in the compact form of events.
func insightProperties(r *rules, paths []string) {
	r.limits("InsightProperties", limit{items: MaxInsightProperties})
	if len(paths) > MaxInsightProperties {
		r.add("InsightProperties", "%d properties: want at most %d", len(paths), MaxInsightProperties)
	}
	for i, path := range paths {
		if _, err := metric.Names(path); err != nil {
			r.add("InsightProperties", "%q: %v", path, err)
		}
		if slices.ContainsFunc(paths[:i], func(o string) bool { return metric.Canonical(o) == metric.Canonical(path) }) {
			r.add("InsightProperties", "%q: given twice", path)
		}
	}
}

// Limits of the event types with a reserved place. The template contains their names as
// JSON.
const (
	MaxEventTypes      = 200
	MaxEventTypesBytes = 8 << 10
)

// eventTypes checks the event types with a reserved place.
func (v Variables) eventTypes(r *rules) {
	r.limits("EventTypes", limit{items: MaxEventTypes})
	text, err := contract.EncodeList(v.EventTypes)
	switch {
	case err != nil:
		r.add("EventTypes", "%s", err)
	case len(v.EventTypes) > MaxEventTypes:
		r.add("EventTypes", "%d event types: want at most %d", len(v.EventTypes), MaxEventTypes)
	case len(text) > MaxEventTypesBytes:
		r.add("EventTypes", "%d bytes as JSON: want at most %d; reserve fewer, or use shorter names", len(text), MaxEventTypesBytes)
	}
	for i, name := range v.EventTypes {
		if err := event.CheckType(name); err != nil {
			r.add("EventTypes", "%q: %v", name, err)
		}
		if slices.Contains(v.EventTypes[:i], name) {
			r.add("EventTypes", "%q: given twice", name)
		}
	}
}

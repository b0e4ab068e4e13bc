package query

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Sources of an answer.
const (
	fromCache     = "cache"
	fromWarehouse = "warehouse"
	fromBoth      = "cache+warehouse"
)

// Origin tells where an answer comes from and how recent it is.
type Origin struct {
	// Source is cache, warehouse or cache+warehouse.
	Source string `json:"source"`
	// AsOf is the time up to which the answer surely holds all that was
	// loaded; it may hold more. It is left out when that isn't known, and for
	// a range that ended more than 48 hours ago, which hardly changes any more.
	AsOf *time.Time `json:"asOf,omitempty"`
	// Stale says that AsOf is more than three minutes ago, or not known.
	Stale bool `json:"stale"`
}

// origin makes one of what the parts say; asOf is the least recent part's,
// zero when it isn't known.
func origin(cached, loaded bool, asOf, now time.Time) Origin {
	o := Origin{Source: fromCache, Stale: asOf.IsZero() || now.Sub(asOf) > staleAfter}
	switch {
	case cached && loaded:
		o.Source = fromBoth
	case loaded:
		o.Source = fromWarehouse
	}
	if !asOf.IsZero() {
		o.AsOf = &asOf
	}
	return o
}

// fresh is the origin of what was read from the warehouse alone. It is of the
// minute that has begun, so that an answer that doesn't change stays the same
// for as long.
func fresh(now time.Time) Origin {
	return origin(false, true, now.Truncate(time.Minute), now)
}

// merge is the origin of an answer of two parts.
func merge(a, b Origin) Origin {
	m := Origin{Source: a.Source, Stale: a.Stale || b.Stale, AsOf: a.AsOf}
	if a.Source != b.Source {
		m.Source = fromBoth
	}
	if a.AsOf == nil || b.AsOf == nil {
		m.AsOf = nil
	} else if b.AsOf.Before(*a.AsOf) {
		m.AsOf = b.AsOf
	}
	return m
}

// settle leaves out how recent a settled answer is: it would differ each time.
func (o Origin) settle(ended, now time.Time) Origin {
	if settled(ended, now) && !o.Stale {
		o.AsOf = nil
	}
	return o
}

// Point is the number of events of one type, or of all, in one step.
type Point struct {
	At time.Time `json:"at"`
	// EventType is left out with by=none.
	EventType string `json:"eventType,omitempty"`
	Count     int64  `json:"count"`
}

// EventsAnswer is the body of /metrics/events.
type EventsAnswer struct {
	Metric string `json:"metric"`
	// From and To are what Points cover: all that was asked for, unless there
	// is Next.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// StepSeconds is the length of a step; steps without events have no point.
	StepSeconds int64 `json:"stepSeconds"`
	Origin      `json:",inline"`
	Points      []Point `json:"points"`
	// Folded is set if Points may lack events of the type that was asked for.
	Folded *Folded `json:"folded,omitempty"`
	// Next, as the parameter cursor, asks for what comes after To.
	Next string `json:"next,omitempty"`
}

// Folded describes events without a place of their own, which are counted
// together as __other__: events of the type may be among them. There are too
// many of them to be counted by type, or retention has dropped them.
type Folded struct {
	// From (inclusive) and To (exclusive) enclose them.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Events is how many there are, of all folded types.
	Events int64 `json:"events"`
}

// MetricPoint is a metric's value over one step, for one combination of what
// tells its values apart.
type MetricPoint struct {
	At time.Time `json:"at"`
	// Values are those of the fields in By, in its order.
	Values []string `json:"values,omitempty"`
	// Count is how many events were counted.
	Count int64 `json:"count"`
	// Sum, Min and Max are of the metric's field, exactly, where the metric
	// has them.
	Sum jsontext.Value `json:"sum,omitzero"`
	Min jsontext.Value `json:"min,omitzero"`
	Max jsontext.Value `json:"max,omitzero"`
}

// MetricAnswer is the body of /metrics/{name} for a declared metric, and for one
// that code makes.
type MetricAnswer struct {
	Metric string `json:"metric"`
	// From and To are what Points cover: all that was asked for, unless there
	// is Next.
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	StepSeconds int64     `json:"stepSeconds"`
	Origin      `json:",inline"`
	// Since is from when on all events are counted that the metric is about. It
	// is left out when that isn't known.
	Since *time.Time `json:"since,omitempty"`
	// By names the fields that tell values apart. A metric that code makes has
	// none to name.
	By []string `json:"by,omitempty"`
	// Skipped is how many events were passed over, because their field was
	// missing or no number. It is left out when it can't be told.
	Skipped *int64        `json:"skipped,omitempty"`
	Points  []MetricPoint `json:"points"`
	// Next, as the parameter cursor, asks for what comes after To.
	Next string `json:"next,omitempty"`
}

// Day is the number of distinct users of a day, UTC.
type Day struct {
	Day string `json:"day"`
	// Users is null for a day whose events retention has dropped.
	Users *int64 `json:"users"`
	// Exact is false for an estimate, which is off by about 1 %.
	Exact bool `json:"exact"`
}

// UsersAnswer is the body of /metrics/users.
type UsersAnswer struct {
	Metric string `json:"metric"`
	Origin `json:",inline"`
	Days   []Day `json:"days"`
}

// SummaryAnswer is the body of /metrics/summary.
type SummaryAnswer struct {
	Metric string    `json:"metric"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Origin `json:",inline"`
	// Events is the number of events in the last 60 minutes.
	Events int64 `json:"events"`
	// ByType has them by type.
	ByType map[string]int64 `json:"byType"`
	// UsersToday is the number of distinct users since midnight, UTC.
	UsersToday Day `json:"usersToday"`
}

package query

import (
	"time"
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
	// loaded; it may hold more. It is left out when that isn't known.
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

// Point is the number of events of one type in one step.
type Point struct {
	At        time.Time `json:"at"`
	EventType string    `json:"eventType"`
	Count     int64     `json:"count"`
}

// EventsAnswer is the body of /metrics/events.
type EventsAnswer struct {
	Metric string    `json:"metric"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	// StepSeconds is the length of a step; steps without events have no point.
	StepSeconds int64 `json:"stepSeconds"`
	Origin      `json:",inline"`
	Points      []Point `json:"points"`
}

// Day is the number of distinct users of a day, UTC.
type Day struct {
	Day   string `json:"day"`
	Users int64  `json:"users"`
	// Exact is false for an estimate, which is off by a percent or so.
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

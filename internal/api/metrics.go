package api

import "time"

// Sources of a metric response.
const (
	SourceCache     = "cache"
	SourceWarehouse = "warehouse"
	SourceBoth      = "cache+warehouse"
)

// Origin is the source and the age of the data in a response.
type Origin struct {
	// Source is SourceCache, SourceWarehouse or SourceBoth.
	Source string `json:"source"`
	// AsOf is the time up to which everything loaded is included; later events may be
	// included too. It is nil if that time is unknown, and for a range that ended more
	// than 48 hours ago, which hardly changes.
	AsOf *time.Time `json:"asOf,omitempty"`
	// Stale is true if AsOf is unknown or more than three minutes ago.
	Stale bool `json:"stale"`
}

// MetricResponse is the body of GET /metrics/{metric}. Which fields are set
// depends on the metric: Points for MetricEvents and for declared metrics, Days
// for MetricUsers; Events, ByType and UsersToday for MetricSummary.
type MetricResponse struct {
	Metric string `json:"metric"`
	// From (inclusive) and To (exclusive) are the range that Points cover: the
	// requested one, or the first part of it if Next is set. Nil for MetricUsers.
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
	// StepSeconds is the length of a step; a step without events has no point.
	StepSeconds int `json:"stepSeconds,omitzero"`
	Origin      `json:",inline"`
	// Since is the time from which all events of the metric are included; nil if
	// it is unknown.
	Since *time.Time `json:"since,omitempty"`
	// By are the fields that distinguish the points of a declared metric.
	By []string `json:"by,omitempty"`
	// Skipped is the number of events whose field was missing or not a number;
	// nil if it is unknown.
	Skipped *int64 `json:"skipped,omitempty"`
	// Events is the number of events in the last 60 minutes, and ByType the same
	// by event type.
	Events *int64           `json:"events,omitempty"`
	ByType map[string]int64 `json:"byType,omitzero"`
	// UsersToday is the number of distinct users since midnight, UTC.
	UsersToday *UsersDay `json:"usersToday,omitempty"`
	// Days has every requested day, in order.
	Days []UsersDay `json:"days,omitzero"`
	// Points are sorted by time, then by dimension.
	Points []Point `json:"points,omitzero"`
	// Folded is set if Points may lack events of the requested type.
	Folded *Folded `json:"folded,omitempty"`
	// Where has the filters of the events that are counted; empty for all events.
	Where string `json:"where,omitempty"`
	// UserShare is set with Where: the share of users that the response includes, as in
	// InsightResponse.
	UserShare *float64 `json:"userShare,omitempty"`
	// Limit and Hints are as in InsightResponse.
	Limit string   `json:"limit,omitempty"`
	Hints []string `json:"hints,omitempty"`
	// Next is the parameter cursor of the request for the range after To.
	Next string `json:"next,omitempty"`
}

// Point is the value of a metric over one step, for one dimension.
type Point struct {
	// At is the start of the step.
	At time.Time `json:"at"`
	// EventType is set for MetricEvents, except with by=none.
	EventType string `json:"eventType,omitempty"`
	// Values are the values of the fields in By, in its order.
	Values []string `json:"values,omitempty"`
	// Count is the number of events.
	Count int64 `json:"count"`
	// Sum, Min and Max are exact; empty if the metric does not have them.
	Sum Number `json:"sum,omitzero"`
	Min Number `json:"min,omitzero"`
	Max Number `json:"max,omitzero"`
}

// Folded describes events that are counted as __other__ because their type has no rows
// of its own. They may include events of the requested type: there are too many to
// count by type, or retention has dropped them.
type Folded struct {
	// From (inclusive) and To (exclusive) are the range of these events.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Events is the number of events, of all folded types.
	Events int64 `json:"events"`
}

// UsersDay is the number of distinct users of a day, UTC.
type UsersDay struct {
	// Day is YYYY-MM-DD.
	Day string `json:"day"`
	// Users is nil for a day whose events retention has dropped.
	Users *int64 `json:"users"`
	// Exact is false for an estimate, which is off by about 1 %.
	Exact bool `json:"exact"`
}

// ValuesResponse is the body of GET /metrics/{metric}?list=values.
type ValuesResponse struct {
	Metric string `json:"metric"`
	Origin `json:",inline"`
	// Places is the number of values that can have rows of their own, without reserved
	// ones; Used is the number that have.
	Places int `json:"places"`
	Used   int `json:"used"`
	// Values are those that have a place, then those that lost theirs.
	Values []MetricValue `json:"values"`
}

// MetricValue is a dimension value of a metric. For a metric by several fields
// Value is a JSON array of their values.
type MetricValue struct {
	Value    string `json:"value"`
	Reserved bool   `json:"reserved,omitempty"`
	// LastSeen is the day, UTC, on which the value was last loaded: YYYY-MM-DD.
	LastSeen string `json:"lastSeen"`
	// ReleasedAt is the time when the value lost its place.
	ReleasedAt *time.Time `json:"releasedAt,omitempty"`
}

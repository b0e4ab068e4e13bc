package api

import "time"

// Questions about the events of users: GET /metrics/{question}.
const (
	QuestionFunnel    = "funnel"
	QuestionRetention = "retention"
	QuestionSessions  = "sessions"
	QuestionBreakdown = "breakdown"
	QuestionPaths     = "paths"
	QuestionLive      = "live"
)

// Questions lists the questions.
func Questions() []string {
	return []string{QuestionFunnel, QuestionRetention, QuestionSessions, QuestionBreakdown, QuestionPaths, QuestionLive}
}

// Values of InsightResponse.Limit.
const (
	LimitTime   = "time"
	LimitMemory = "memory"
)

// InsightResponse is the answer to a question. One of the fields after EventsRead is set.
type InsightResponse struct {
	Question string `json:"question"`
	// From (inclusive) and To (exclusive) are the range of the question.
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Origin `json:",inline"`
	// UserShare is the share of users that the answer includes: 1 if it is complete. A
	// question that takes too long is answered for a part of the users, who are selected
	// by a hash of their ids; counts are not extrapolated.
	UserShare float64 `json:"userShare"`
	// Limit is LimitTime or LimitMemory if the answer is partial: what did not suffice.
	Limit string `json:"limit,omitempty"`
	// DroppedBefore is set if retention has dropped events in the range: those before
	// this time are missing.
	DroppedBefore *time.Time `json:"droppedBefore,omitempty"`
	// Hints are about names that no event in the range has, with the nearest known ones.
	Hints []string `json:"hints,omitempty"`
	// EventsRead is the number of events that were read for the answer.
	EventsRead int64 `json:"eventsRead"`

	Funnel    *Funnel    `json:"funnel,omitempty"`
	Retention *Retention `json:"retention,omitempty"`
	Sessions  *Sessions  `json:"sessions,omitempty"`
	Breakdown *Breakdown `json:"breakdown,omitempty"`
	Paths     *Paths     `json:"paths,omitempty"`
	Live      *Live      `json:"live,omitempty"`
}

// Funnel is the answer to QuestionFunnel.
type Funnel struct {
	WindowSeconds int64 `json:"windowSeconds"`
	// By is the property of the first step's event that distinguishes Groups.
	By string `json:"by,omitempty"`
	// Steps are those of all users.
	Steps []FunnelStep `json:"steps"`
	// Groups are the largest groups by users of the first step.
	Groups []FunnelGroup `json:"groups,omitzero"`
	// Rest is the number of groups that Groups lacks.
	Rest int `json:"rest,omitzero"`
}

// FunnelGroup is a group of users by a property of their first step.
type FunnelGroup struct {
	Value string       `json:"value"`
	Steps []FunnelStep `json:"steps"`
}

// FunnelStep is a step of a funnel.
type FunnelStep struct {
	// Step is the step as in the question.
	Step  string `json:"step"`
	Users int64  `json:"users"`
	// Conversion is Users divided by the users of the first step; 0 without users.
	Conversion float64 `json:"conversion"`
	// MedianSeconds is the median time since the previous step; nil for the first step
	// and without users.
	MedianSeconds *float64 `json:"medianSeconds,omitempty"`
}

// Retention is the answer to QuestionRetention.
type Retention struct {
	Unit    string   `json:"unit"`
	Zone    string   `json:"zone"`
	Cohorts []Cohort `json:"cohorts"`
}

// Cohort are the users whose first start event in the range is in one period.
type Cohort struct {
	// Start is the beginning of the period, with the zone's offset.
	Start time.Time `json:"start"`
	Users int64     `json:"users"`
	// Returned has the number of users with a return event in the period itself and in
	// each of the following ones, up to the current one.
	Returned []int64 `json:"returned"`
	// Open reports that the last period of Returned has not ended.
	Open bool `json:"open,omitempty"`
}

// Sessions is the answer to QuestionSessions.
type Sessions struct {
	GapSeconds int64 `json:"gapSeconds"`
	Sessions   int64 `json:"sessions"`
	Users      int64 `json:"users"`
	// Events is the number of events of the sessions.
	Events           int64    `json:"events"`
	MedianSeconds    *float64 `json:"medianSeconds,omitempty"`
	MeanSeconds      *float64 `json:"meanSeconds,omitempty"`
	EventsPerSession float64  `json:"eventsPerSession"`
	// BounceRate is the share of sessions with one event.
	BounceRate float64 `json:"bounceRate"`
	// Entries and Exits are the most frequent types of the first and last events.
	Entries []TypeCount `json:"entries"`
	Exits   []TypeCount `json:"exits"`
}

// TypeCount is a number by event type.
type TypeCount struct {
	EventType string `json:"eventType"`
	Count     int64  `json:"count"`
}

// Breakdown is the answer to QuestionBreakdown.
type Breakdown struct {
	By       []string `json:"by"`
	Property string   `json:"property,omitempty"`
	// Percents are those of each group's Percentiles.
	Percents []int            `json:"percents,omitzero"`
	Groups   []BreakdownGroup `json:"groups"`
	// Rest sums the groups that Groups lacks; nil if there are none. RestGroups is
	// their number.
	Rest       *BreakdownGroup `json:"rest,omitempty"`
	RestGroups int             `json:"restGroups,omitzero"`
}

// BreakdownGroup are the events with the same values.
type BreakdownGroup struct {
	// Values are the values of the properties in By, in its order; empty for an event
	// without the property. Nil for the rest.
	Values []string `json:"values,omitzero"`
	Count  int64    `json:"count"`
	Users  int64    `json:"users"`
	// Numbers is the number of events whose property is a number; the fields below are
	// of those events.
	Numbers     int64    `json:"numbers,omitzero"`
	Sum         Number   `json:"sum,omitzero"`
	Min         Number   `json:"min,omitzero"`
	Max         Number   `json:"max,omitzero"`
	Percentiles []Number `json:"percentiles,omitzero"`
}

// Paths is the answer to QuestionPaths.
type Paths struct {
	Depth int `json:"depth"`
	// Before reports that the paths lead to the event instead of beginning after it.
	Before bool `json:"before,omitempty"`
	// Occurrences is the number of events that begin or end a path; Users are their users.
	Occurrences int64      `json:"occurrences"`
	Users       int64      `json:"users"`
	Paths       []PathUsed `json:"paths"`
	// Rest is the number of occurrences with other paths, and RestPaths of these paths.
	Rest      int64 `json:"rest,omitzero"`
	RestPaths int   `json:"restPaths,omitzero"`
}

// PathUsed is a sequence of events.
type PathUsed struct {
	// Types are the types of the events, in the order of time; fewer than the depth if the
	// session has no further event.
	Types []string `json:"types"`
	Count int64    `json:"count"`
	Users int64    `json:"users"`
}

// Live is the answer to QuestionLive.
type Live struct {
	Users  int64       `json:"users"`
	Events int64       `json:"events"`
	Types  []TypeCount `json:"types"`
}

// Package insight answers questions about the events of users: funnels, retention,
// sessions, breakdowns and paths.
package insight

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/streamctl/streamctl/internal/api"
)

// Limits of questions.
const (
	// MaxSteps is the largest number of steps of a funnel.
	MaxSteps = 8
	// MaxDepth is the largest number of events of a path.
	MaxDepth = 4
	// MaxPeriods is the largest number of periods of retention.
	MaxPeriods = 60
	// MaxTop is the largest number of groups.
	MaxTop = 100
	// MaxRange is the longest range.
	MaxRange = 366 * 24 * time.Hour
	// MaxWindow is the longest conversion window.
	MaxWindow = 90 * 24 * time.Hour
	// MaxGap is the longest inactivity in a session.
	MaxGap = 24 * time.Hour
	// MaxFilters is the largest number of filters of an event.
	MaxFilters = 8
	// tail is how long after the range a session is followed.
	tail = 24 * time.Hour
)

// Units of retention.
const (
	UnitDay   = "day"
	UnitWeek  = "week"
	UnitMonth = "month"
)

// byType groups by the event's type.
const byType = "eventType"

// Question is a valid question.
type Question struct {
	// Kind is one of api.Questions, api.MetricEvents or api.MetricUsers.
	Kind string `json:"kind"`
	// From (inclusive) and To (exclusive).
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Events are a funnel's steps; retention's start and return event; the event of
	// paths and breakdown.
	Events []Selection `json:"events,omitempty"`
	// Where restricts the question to events that match all filters.
	Where []Filter `json:"where,omitempty"`
	// Window is a funnel's, Gap that of sessions and paths.
	Window time.Duration `json:"window,omitempty"`
	Gap    time.Duration `json:"gap,omitempty"`
	// By are paths of properties, or byType.
	By []string `json:"by,omitempty"`
	// Property is a breakdown's numeric property.
	Property string `json:"property,omitempty"`
	Percents []int  `json:"percents,omitempty"`
	// Unit, Zone and Periods are for retention.
	Unit    string `json:"unit,omitempty"`
	Zone    string `json:"zone,omitempty"`
	Periods int    `json:"periods,omitempty"`
	Depth   int    `json:"depth,omitempty"`
	Before  bool   `json:"before,omitempty"`
	Top     int    `json:"top,omitempty"`
	// Step is that of api.MetricEvents, whose steps begin at From.
	Step time.Duration `json:"step,omitempty"`

	periods []time.Time // boundaries, for retention
}

// Key identifies equal questions.
func (q Question) Key() (string, error) {
	text, err := json.Marshal(q)
	if err != nil {
		return "", fmt.Errorf("encode question: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), nil
}

// Need is the data that a question needs.
type Need struct {
	// From (inclusive) and To (exclusive) are times of events.
	From, To time.Time
	// Types are the needed event types; nil for all.
	Types []string
	// Paths are the needed properties, sorted.
	Paths []string
}

// Need returns the data that the question needs.
func (q Question) Need() Need {
	n := Need{From: q.From, To: q.To}
	switch q.Kind {
	case api.QuestionFunnel:
		n.To = q.To.Add(q.Window).Add(time.Microsecond)
	case api.QuestionRetention:
		n.To = q.periods[len(q.periods)-1]
	case api.QuestionSessions:
		n.From, n.To = q.From.Add(-q.Gap), q.To.Add(tail)
	case api.QuestionPaths:
		if q.Before {
			n.From = q.From.Add(-time.Duration(q.Depth) * q.Gap)
		} else {
			n.To = q.To.Add(time.Duration(q.Depth)*q.Gap + time.Microsecond)
		}
	}
	paths, types := map[string]bool{}, map[string]bool{}
	all := len(q.Events) == 0 || q.Kind == api.QuestionPaths
	filters := slices.Clone(q.Where)
	for _, e := range q.Events {
		filters = append(filters, e.Filters...)
		types[e.Type] = true
		all = all || e.Type == ""
	}
	for _, f := range filters {
		paths[f.Path] = true
	}
	for _, by := range append(slices.Clone(q.By), q.Property) {
		if by != "" && by != byType {
			paths[by] = true
		}
	}
	n.Paths = sorted(paths)
	if !all {
		n.Types = sorted(types)
	}
	return n
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	var keys []K
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// boundaries returns the beginnings of periods, from the one that contains first to the
// end of the n periods that follow the one that contains last.
func boundaries(unit string, zone *time.Location, first, last time.Time, n int) (all []time.Time, cohorts int) {
	y, m, d := first.In(zone).Date()
	switch unit {
	case UnitWeek:
		d -= (int(first.In(zone).Weekday()) + 6) % 7
	case UnitMonth:
		d = 1
	}
	for i := 0; ; i++ {
		var at time.Time
		switch unit {
		case UnitDay:
			at = midnight(y, m, d+i, zone)
		case UnitWeek:
			at = midnight(y, m, d+7*i, zone)
		default:
			at = midnight(y, m+time.Month(i), 1, zone)
		}
		all = append(all, at)
		if !at.After(last) {
			cohorts = len(all)
		}
		if len(all) > cohorts+n {
			return all, cohorts
		}
	}
}

// midnight returns the first second of a day. In some zones the clock skips midnight.
func midnight(y int, m time.Month, d int, zone *time.Location) time.Time {
	const before = 14 * 60 * 60
	noon := time.Date(y, m, d, 12, 0, 0, 0, zone)
	seconds := sort.Search(before, func(i int) bool {
		return noon.Add(time.Duration(i-before)*time.Second).Day() == noon.Day()
	})
	return noon.Add(time.Duration(seconds-before) * time.Second)
}

package query

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits of a query.
const (
	maxPoints = 1440
	maxStep   = 24 * time.Hour
	maxDays   = 35
	// maxCached is the longest span that is read from the cache, minute by
	// minute; the warehouse adds longer ones up itself.
	maxCached = 24 * time.Hour
)

// parameterError says which parameter is wrong and what would be right.
type parameterError struct{ name, detail string }

func (e *parameterError) Error() string { return e.name + ": " + e.detail }

// onlyParameters refuses parameters that aren't known: a misspelt one would
// silently change the answer.
func onlyParameters(given map[string]string, known ...string) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(known, name) {
			if len(known) == 0 {
				return &parameterError{name, "is not known: this metric takes no parameters"}
			}
			return &parameterError{name, "is not known: use " + strings.Join(known, ", ")}
		}
	}
	return nil
}

// seriesRequest asks for steps from (inclusive) to (exclusive), whole minutes.
type seriesRequest struct {
	from, to time.Time
	step     time.Duration
	// eventType is empty for all.
	eventType string
}

func readSeriesRequest(given map[string]string, now time.Time) (r seriesRequest, err error) {
	if err := onlyParameters(given, "from", "to", "step", "eventType"); err != nil {
		return r, err
	}
	r.eventType = given["eventType"]
	r.to = now.Truncate(time.Minute).Add(time.Minute) // the minute that has begun is in it
	if r.to, err = readTime(given, "to", r.to); err != nil {
		return r, err
	}
	if r.from, err = readTime(given, "from", r.to.Add(-time.Hour)); err != nil {
		return r, err
	}
	r.step = time.Minute
	if text, ok := given["step"]; ok {
		r.step, err = time.ParseDuration(text)
		if err != nil || r.step < time.Minute || r.step > maxStep || r.step%time.Minute != 0 {
			return r, &parameterError{"step", "must be whole minutes, 1m to 24h, such as 5m"}
		}
	}
	span := r.to.Sub(r.from)
	switch {
	case span <= 0:
		return r, &parameterError{"from", "must lie before to"}
	case span > time.Duration(maxPoints)*r.step:
		return r, &parameterError{"step", fmt.Sprintf("is too short: from and to lie more than %d steps apart", maxPoints)}
	}
	return r, nil
}

// readTime reads a time of a whole minute.
func readTime(given map[string]string, name string, otherwise time.Time) (time.Time, error) {
	text, ok := given[name]
	if !ok {
		return otherwise, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 || t.Year() > 9998 {
		return time.Time{}, &parameterError{name, "must be a time in RFC 3339, such as 2026-01-31T12:00:00Z"}
	}
	return t.UTC().Truncate(time.Minute), nil
}

// daysRequest asks for whole days, UTC, both included.
type daysRequest struct{ first, last time.Time }

func readDaysRequest(given map[string]string, now time.Time) (r daysRequest, err error) {
	if err := onlyParameters(given, "from", "to"); err != nil {
		return r, err
	}
	if r.last, err = readDay(given, "to", now.Truncate(24*time.Hour)); err != nil {
		return r, err
	}
	if r.first, err = readDay(given, "from", r.last); err != nil {
		return r, err
	}
	switch days := r.last.Sub(r.first)/(24*time.Hour) + 1; {
	case days < 1:
		return r, &parameterError{"from", "must not lie after to"}
	case days > maxDays:
		return r, &parameterError{"from", fmt.Sprintf("lies too far before to: ask for at most %d days", maxDays)}
	}
	return r, nil
}

func readDay(given map[string]string, name string, otherwise time.Time) (time.Time, error) {
	text, ok := given[name]
	if !ok {
		return otherwise, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		if t, err = time.Parse(time.RFC3339, text); err != nil {
			return time.Time{}, &parameterError{name, "must be a day, such as 2026-01-31"}
		}
	}
	if t.Year() < 1970 || t.Year() > 9998 {
		return time.Time{}, &parameterError{name, "must lie in the years 1970 to 9998"}
	}
	return t.UTC().Truncate(24 * time.Hour), nil
}

package query

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/event"
)

// Limits of a query.
const (
	// maxSteps is the maximum number of steps per response; a cursor gives the
	// rest.
	maxSteps = 1440
	maxStep  = 24 * time.Hour
	maxDays  = 35
)

// parameterError describes an invalid parameter and the valid values.
type parameterError struct{ name, detail string }

func (e *parameterError) Error() string { return quoteShort(e.name) + ": " + e.detail }

// wrong returns the error for a parameter's value; must describes the valid
// values.
func wrong(name, value, must string) error {
	return &parameterError{name, must + ", not " + strconv.Quote(quoteShort(value))}
}

// quoteShort limits how much of a request a response repeats.
func quoteShort(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// parameters returns a request's parameters, each of which must be given once.
func parameters(req events.APIGatewayProxyRequest) (map[string]string, error) {
	for _, name := range slices.Sorted(maps.Keys(req.MultiValueQueryStringParameters)) {
		if values := req.MultiValueQueryStringParameters[name]; len(values) > 1 {
			return nil, wrong(name, strings.Join(values, " and "), "must be given once")
		}
	}
	return req.QueryStringParameters, nil
}

// onlyParameters rejects unknown parameters: a misspelled one would silently
// change the response.
func onlyParameters(given map[string]string, known ...string) error {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(known, name) {
			continue
		}
		if len(known) == 0 {
			return &parameterError{name, "is not known: this metric takes no parameters"}
		}
		return &parameterError{name, "is not known: use " + strings.Join(known, ", ")}
	}
	return nil
}

// span is a range of whole minutes, from (inclusive) to (exclusive), divided
// into steps that begin at from.
type span struct {
	from, to time.Time
	step     time.Duration
}

// seriesRequest is a request for a metric's values over a span.
type seriesRequest struct {
	series
	span
	// eventType is empty for all types.
	eventType string
	// total sums over all dimension values.
	total bool
	// where has filters of properties; empty for none.
	where string
}

func readSeriesRequest(s series, given map[string]string, now time.Time) (r seriesRequest, err error) {
	if _, ok := given["cursor"]; ok {
		return readCursor(s, given)
	}
	if err := onlyParameters(given, s.parameters...); err != nil {
		return r, err
	}
	r.series, r.where = s, given["where"]
	if r.eventType = given["eventType"]; r.eventType != "" {
		if err := event.CheckType(r.eventType); err != nil {
			return r, wrong("eventType", r.eventType, err.Error())
		}
		if strings.ContainsRune(r.eventType, utf8.RuneError) { // the gateway's replacement for bytes such as %FC
			return r, wrong("eventType", r.eventType, "must be text in UTF-8, percent-encoded")
		}
	}
	switch by := given["by"]; by {
	case "", "eventType":
	case "none":
		r.total = true
	default:
		return r, wrong("by", by, "must be eventType or none")
	}
	r.span, err = readSpan(given, now)
	return r, err
}

func readSpan(given map[string]string, now time.Time) (s span, err error) {
	s.to = now.Truncate(time.Minute).Add(time.Minute) // includes the current minute
	if s.to, err = readTime(given, "to", s.to); err != nil {
		return s, err
	}
	if s.from, err = readTime(given, "from", s.to.Add(-time.Hour)); err != nil {
		return s, err
	}
	s.step = time.Minute
	if text, ok := given["step"]; ok {
		s.step, err = time.ParseDuration(text)
		if err != nil || s.step < time.Minute || s.step > maxStep || s.step%time.Minute != 0 {
			return s, wrong("step", text, "must be whole minutes, 1m to 24h, such as 5m")
		}
	}
	if !inYears(s.from) { // from may have been calculated from to
		return s, wrong("to", given["to"], "must be at least an hour after 1970-01-01T00:00:00Z if from is missing")
	}
	if !s.from.Before(s.to) {
		return s, wrong("from", given["from"], "must be before to, "+s.to.Format(time.RFC3339))
	}
	return s, nil
}

// readTime reads a time and truncates it to the minute.
func readTime(given map[string]string, name string, otherwise time.Time) (time.Time, error) {
	text, ok := given[name]
	if !ok {
		return otherwise, nil
	}
	t, ok := event.ParseTime(text)
	if !ok || !inYears(t) {
		return time.Time{}, wrong(name, text, "must be a time in RFC 3339, in the years 1970 to 9998, such as 2026-01-31T12:00:00Z")
	}
	return t.Truncate(time.Minute), nil
}

// inYears rejects times so far away that they, or sums with them, can't be
// formatted.
func inYears(t time.Time) bool { return t.Year() >= 1970 && t.Year() < 9999 }

// daysRequest is a request for whole days (UTC), inclusive.
type daysRequest struct {
	first, last time.Time
	// where has filters of properties; empty for none.
	where string
}

func readDaysRequest(given map[string]string, now time.Time) (r daysRequest, err error) {
	if err := onlyParameters(given, "from", "to", "where"); err != nil {
		return r, err
	}
	r.where = given["where"]
	if r.last, err = readDay(given, "to", now.Truncate(24*time.Hour)); err != nil {
		return r, err
	}
	if r.first, err = readDay(given, "from", r.last); err != nil {
		return r, err
	}
	switch days := r.last.Sub(r.first)/(24*time.Hour) + 1; {
	case r.last.Before(r.first):
		return r, wrong("from", given["from"], "must not be after to, "+r.last.Format(time.DateOnly))
	case days > maxDays:
		return r, &parameterError{"from", fmt.Sprintf("%q is too long before to, %s: request at most %d days", quoteShort(given["from"]), r.last.Format(time.DateOnly), maxDays)}
	}
	return r, nil
}

func readDay(given map[string]string, name string, otherwise time.Time) (time.Time, error) {
	text, ok := given[name]
	if !ok {
		return otherwise, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	ok = err == nil
	if !ok {
		t, ok = event.ParseTime(text)
	}
	if !ok || !inYears(t) {
		return time.Time{}, wrong(name, text, "must be a day, in the years 1970 to 9998, such as 2026-01-31")
	}
	return t.Truncate(24 * time.Hour), nil
}

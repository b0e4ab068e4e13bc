package insight

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/event"
)

// ParameterError describes an invalid parameter of a question.
type ParameterError struct{ Name, Detail string }

func (e *ParameterError) Error() string { return shorten(e.Name) + ": " + e.Detail }

// parameters lists those of each question.
var parameters = map[string][]string{
	api.QuestionFunnel:    {"steps", "window", "by", "top", "from", "to", "where"},
	api.QuestionRetention: {"start", "return", "unit", "zone", "periods", "from", "to", "where"},
	api.QuestionSessions:  {"gap", "top", "from", "to", "where"},
	api.QuestionBreakdown: {"event", "by", "property", "percents", "top", "from", "to", "where"},
	api.QuestionPaths:     {"event", "direction", "depth", "gap", "top", "from", "to", "where"},
	api.QuestionLive:      {"where"},
}

// IsQuestion reports whether a metric's name is that of a question.
func IsQuestion(name string) bool { return parameters[name] != nil }

// ranges are the default ranges of questions.
var ranges = map[string]time.Duration{api.QuestionRetention: 8 * 7 * 24 * time.Hour}

const (
	defaultRange = 7 * 24 * time.Hour
	liveTime     = 5 * time.Minute
)

// Read reads a question from the parameters of a request. The error is a *ParameterError.
func Read(kind string, given map[string]string, now time.Time) (Question, error) {
	r := paramReader{given: given, q: Question{Kind: kind}}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(parameters[kind], name) {
			r.fail(name, "is not known: use "+strings.Join(parameters[kind], ", "))
		}
	}
	r.span(now)
	r.q.Where = r.filters("where")
	switch kind {
	case api.QuestionFunnel:
		r.funnel()
	case api.QuestionRetention:
		r.retention(now)
	case api.QuestionSessions:
		r.q.Gap = r.duration("gap", 30*time.Minute, time.Second, MaxGap)
		r.q.Top = r.number("top", 10, 1, MaxTop)
	case api.QuestionBreakdown:
		r.breakdown()
	case api.QuestionPaths:
		r.paths()
	case api.QuestionLive:
		r.q.From, r.q.To = now.UTC().Add(-liveTime).Truncate(time.Second), now.UTC().Truncate(time.Second)
	}
	if r.err != nil {
		return Question{}, r.err
	}
	return r.q, nil
}

// Filtered returns the question for a series that is restricted to events with
// properties: api.MetricEvents by steps, or api.MetricUsers by days.
func Filtered(kind, where, eventType string, from, to time.Time, step time.Duration) (Question, error) {
	r := paramReader{given: map[string]string{"where": where}, q: Question{Kind: kind, From: from, To: to, Step: step}}
	r.q.Where = r.filters("where")
	if to.Sub(from) > MaxRange {
		r.fail("from", fmt.Sprintf("must be at most %d days before to if where is given", MaxRange/(24*time.Hour)))
	}
	if eventType != "" {
		r.q.Events = []Selection{{Type: eventType}}
	}
	if r.err != nil {
		return Question{}, r.err
	}
	return r.q, nil
}

// paramReader reads parameters and keeps the first error.
type paramReader struct {
	given map[string]string
	q     Question
	err   error
}

func (r *paramReader) fail(name, detail string) {
	if r.err == nil {
		r.err = &ParameterError{name, detail}
	}
}

func (r *paramReader) span(now time.Time) {
	if r.q.Kind == api.QuestionLive {
		return
	}
	r.q.To = r.time("to", now.UTC().Truncate(time.Minute).Add(time.Minute))
	length := ranges[r.q.Kind]
	if length == 0 {
		length = defaultRange
	}
	r.q.From = r.time("from", r.q.To.Add(-length))
	switch {
	case !r.q.From.Before(r.q.To):
		r.fail("from", "must be before to, "+r.q.To.Format(time.RFC3339))
	case r.q.To.Sub(r.q.From) > MaxRange:
		r.fail("from", fmt.Sprintf("must be at most %d days before to", MaxRange/(24*time.Hour)))
	}
}

func (r *paramReader) time(name string, otherwise time.Time) time.Time {
	text, ok := r.given[name]
	if !ok {
		return otherwise
	}
	t, ok := event.ParseTime(text)
	if !ok || t.Year() < 1971 || t.Year() > 9996 {
		r.fail(name, fmt.Sprintf("must be a time in RFC 3339, in the years 1971 to 9996, such as 2026-01-31T12:00:00Z, not %q", shorten(text)))
	}
	return t.UTC()
}

func (r *paramReader) filters(name string) []Filter {
	if r.given[name] == "" {
		return nil
	}
	filters, err := ParseFilters(r.given[name])
	if err != nil {
		r.fail(name, err.Error())
	}
	return filters
}

// events reads a parameter with so many selections.
func (r *paramReader) events(name string, least, most int) []Selection {
	if r.given[name] == "" && least > 0 {
		r.fail(name, "is missing: give event types, such as page_view or purchase{amount>10}")
		return nil
	}
	all, err := ParseSelections(r.given[name])
	switch {
	case err != nil:
		r.fail(name, err.Error())
	case len(all) < least || len(all) > most:
		want := strconv.Itoa(least)
		if most > least {
			want += " to " + strconv.Itoa(most)
		}
		r.fail(name, fmt.Sprintf("has %d events: want %s; an event type with a comma is written in double quotes", len(all), want))
	}
	return all
}

func (r *paramReader) duration(name string, otherwise, least, most time.Duration) time.Duration {
	text, ok := r.given[name]
	if !ok {
		return otherwise
	}
	d, err := ParseDuration(text)
	if err != nil || d < least || d > most {
		r.fail(name, fmt.Sprintf("must be a duration from %s to %s, such as 30m, 6h or 7d, not %q", least, hours(most), shorten(text)))
	}
	return d
}

// hours formats a maximum, which is whole hours, without zeros.
func hours(d time.Duration) string {
	if d > 24*time.Hour {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return strconv.Itoa(int(d/time.Hour)) + "h"
}

// ParseDuration parses a duration in Go's format, or whole days such as 7d.
func ParseDuration(text string) (time.Duration, error) {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > 10_000 {
			return 0, errors.New("want whole days, such as 7d")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	return time.ParseDuration(text) //nolint:wrapcheck // the caller names the parameter
}

func (r *paramReader) number(name string, otherwise, least, most int) int {
	text, ok := r.given[name]
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		r.fail(name, fmt.Sprintf("must be a number from %d to %d, not %q", least, most, shorten(text)))
	}
	return n
}

// choice reads one of several values; the first is the default.
func (r *paramReader) choice(name string, values ...string) string {
	text, ok := r.given[name]
	if !ok {
		return values[0]
	}
	if !slices.Contains(values, text) {
		r.fail(name, fmt.Sprintf("must be %s, not %q", strings.Join(values, " or "), shorten(text)))
	}
	return text
}

// path reads a property, or byType if allowed.
func (r *paramReader) path(name, text string, typeToo bool) string {
	if typeToo && text == byType {
		return text
	}
	path, err := ParsePath(strings.TrimSpace(text))
	switch {
	case err != nil:
		r.fail(name, err.Error())
	case len(splitPaths(text)) > 1:
		r.fail(name, "must be one property; a name with a comma is written in double quotes")
	}
	return path
}

func (r *paramReader) funnel() {
	r.q.Events = r.events("steps", 2, MaxSteps)
	r.q.Window = r.duration("window", 7*24*time.Hour, time.Second, MaxWindow)
	r.q.Top = r.number("top", 10, 1, MaxTop)
	if by := r.given["by"]; by != "" {
		r.q.By = []string{r.path("by", by, false)}
	}
}

func (r *paramReader) retention(now time.Time) {
	r.q.Events = slices.Concat(r.events("start", 1, 1), r.events("return", 1, 1))
	r.q.Unit = r.choice("unit", UnitWeek, UnitDay, UnitMonth)
	r.q.Periods = r.number("periods", 8, 1, MaxPeriods)
	r.q.Zone = "UTC"
	if name := r.given["zone"]; name != "" {
		r.q.Zone = name
	}
	zone, err := time.LoadLocation(r.q.Zone)
	if err != nil || r.q.Zone == "Local" {
		r.fail("zone", fmt.Sprintf("must be an IANA time zone such as Europe/Berlin, not %q", shorten(r.q.Zone)))
	}
	if r.err != nil {
		return
	}
	all, cohorts := boundaries(r.q.Unit, zone, r.q.From, r.q.To.Add(-time.Microsecond), r.q.Periods)
	r.q.periods = all
	r.q.From, r.q.To = all[0], all[cohorts]
	if !all[0].Before(now) {
		r.fail("from", "must be in the past")
	}
}

func (r *paramReader) breakdown() {
	r.q.Events = r.events("event", 1, 1)
	r.q.Top = r.number("top", 10, 1, MaxTop)
	if r.given["by"] == "" {
		r.fail("by", "is missing: give one or two properties, such as country, or eventType")
		return
	}
	for _, text := range splitPaths(r.given["by"]) {
		r.q.By = append(r.q.By, r.path("by", text, true))
	}
	if len(r.q.By) > 2 || len(r.q.By) == 2 && r.q.By[0] == r.q.By[1] {
		r.fail("by", "must be one or two different properties")
	}
	if text := r.given["property"]; text != "" {
		r.q.Property = r.path("property", text, false)
		r.percents()
	} else if r.given["percents"] != "" {
		r.fail("percents", "needs property, the numeric property")
	}
}

// splitPaths splits paths at the commas outside of quotes.
func splitPaths(text string) (all []string) {
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			all, start = append(all, text[start:i]), i+1
		}
	}
	return append(all, text[start:])
}

func (r *paramReader) percents() {
	text, ok := r.given["percents"]
	if !ok {
		text = "50,90,95,99"
	}
	for one := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(one))
		if err != nil || n < 1 || n > 100 || len(r.q.Percents) == 10 {
			r.fail("percents", fmt.Sprintf("must be up to ten whole numbers from 1 to 100, such as 50,95, not %q", shorten(text)))
			return
		}
		r.q.Percents = append(r.q.Percents, n)
	}
}

func (r *paramReader) paths() {
	r.q.Events = r.events("event", 1, 1)
	r.q.Before = r.choice("direction", "after", "before") == "before"
	r.q.Depth = r.number("depth", MaxDepth, 1, MaxDepth)
	r.q.Gap = r.duration("gap", 30*time.Minute, time.Second, MaxGap)
	r.q.Top = r.number("top", 10, 1, MaxTop)
}

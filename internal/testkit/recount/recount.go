// Package recount answers questions about events in the plainest way, to check the
// answers of internal/insight.
package recount

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/metric"
)

// Event is a stored event. User is the user whose id it has, after links were followed.
type Event struct {
	User, Type string
	// Order breaks ties between events of one user at the same time.
	Order      string
	At         time.Time
	Properties string
}

// recount is the events that a question is about, by user, in order.
type recount struct {
	q     insight.Question
	users map[string][]Event
}

// Answer answers a question; now is the end of the last retention period.
func Answer(q insight.Question, events []Event, now time.Time) insight.Answer {
	r := recount{q, map[string][]Event{}}
	for _, e := range events {
		if r.passes(q.Where, e) {
			r.users[e.User] = append(r.users[e.User], e)
		}
	}
	for _, all := range r.users {
		slices.SortFunc(all, func(a, b Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Order, b.Order)) })
	}
	a := insight.Answer{Response: api.InsightResponse{Question: q.Kind, From: q.From, To: q.To, UserShare: 1}}
	switch q.Kind {
	case api.QuestionFunnel:
		a.Response.Funnel = r.funnel()
	case api.QuestionRetention:
		a.Response.Retention = r.retention(now)
	case api.QuestionSessions:
		a.Response.Sessions = r.sessions()
	case api.QuestionBreakdown:
		a.Response.Breakdown = r.breakdown()
	case api.QuestionPaths:
		a.Response.Paths = r.paths()
	case api.QuestionLive:
		a.Response.Live = r.live()
	case api.MetricEvents:
		a.Series = r.series()
	case api.MetricUsers:
		a.Days = r.days()
	}
	return a
}

func (r recount) in(e Event) bool { return !e.At.Before(r.q.From) && e.At.Before(r.q.To) }

func (r recount) is(s insight.Selection, e Event) bool {
	return (s.Type == "" || s.Type == e.Type) && r.passes(s.Filters, e)
}

// look returns the property at a path, as encoding/json decodes it.
func look(e Event, path string) (any, bool) {
	d := json.NewDecoder(strings.NewReader(e.Properties))
	d.UseNumber()
	var at any
	if d.Decode(&at) != nil {
		return nil, false
	}
	names, err := metric.Names(path)
	if err != nil {
		return nil, false
	}
	for _, name := range names {
		object, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = object[name]; !ok {
			return nil, false
		}
	}
	return at, at != nil
}

// rational returns a number's value.
func rational(text string) *big.Rat {
	x, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("not a number: " + text)
	}
	return x
}

func plain(x *big.Rat) string {
	text := x.FloatString(40)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// text returns the value of a group.
func text(e Event, path string) string {
	if path == "eventType" {
		return e.Type
	}
	v, _ := look(e, path)
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return fmt.Sprint(v)
	case json.Number:
		return plain(rational(v.String()))
	}
	return ""
}

func number(e Event, path string) *big.Rat {
	v, _ := look(e, path)
	if n, ok := v.(json.Number); ok {
		return rational(n.String())
	}
	return nil
}

// equal reports whether a property equals a value of a filter: a kind and a text.
func equal(v any, want string) bool {
	switch v := v.(type) {
	case string:
		return want == "s"+v
	case bool:
		return want == "b"+fmt.Sprint(v)
	case json.Number:
		return want[0] == 'n' && rational(v.String()).Cmp(rational(want[1:])) == 0
	}
	return false
}

func (r recount) passes(filters []insight.Filter, e Event) bool {
	for _, f := range filters {
		v, exists := look(e, f.Path)
		ok := false
		switch f.Op {
		case "exists":
			ok = exists
		case "=", "!=":
			ok = slices.ContainsFunc(f.Values, func(want string) bool { return exists && equal(v, want) }) == (f.Op == "=")
		default:
			if n := number(e, f.Path); n != nil {
				c := n.Cmp(rational(f.Values[0][1:]))
				ok = c > 0 && f.Op[0] == '>' || c < 0 && f.Op[0] == '<' || c == 0 && len(f.Op) == 2
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

func discrete(values []time.Duration) *float64 {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	s := values[(len(values)+1)/2-1].Seconds()
	return &s
}

func top(counts map[string]int64, n int) []api.TypeCount {
	all := []api.TypeCount{}
	for kind, c := range counts {
		all = append(all, api.TypeCount{EventType: kind, Count: c})
	}
	slices.SortFunc(all, func(a, b api.TypeCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.EventType, b.EventType))
	})
	return all[:min(n, len(all))]
}

func share(a, b int64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// Same reports whether two answers are equal as JSON, and returns both if not.
func Same(got, want insight.Answer) (bool, string) {
	got.Response.EventsRead, want.Response.EventsRead = 0, 0
	g, err := json.Marshal(got)
	w, wantErr := json.Marshal(want)
	if err != nil || wantErr != nil {
		return false, fmt.Sprint(err, wantErr)
	}
	return bytes.Equal(g, w), fmt.Sprintf("got  %s\nwant %s", g, w)
}

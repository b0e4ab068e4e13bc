package query_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/warehouse"
)

func decode[T any](t *testing.T, body string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return v
}

// example returns the section of the example in docs/insights.md.
func example(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/insights.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "### Example")
	section, _, end := strings.Cut(section, "\n## ")
	if !found || !end {
		t.Fatal("docs/insights.md has no example")
	}
	return section
}

// exampleEvent is an event in the table of the example: 09:12 `purchase` (amount 20).
var exampleEvent = regexp.MustCompile("(\\d\\d):(\\d\\d) `(\\w+)`(?: \\((\\w+) (\\w+)\\))?")

// shopEvents are the events of the example, on the day before now.
func shopEvents(t *testing.T) (rows []warehouse.Row) {
	t.Helper()
	for line := range strings.Lines(example(t)) {
		user, events, found := strings.Cut(strings.Trim(line, "| \n"), " | ")
		if !strings.HasPrefix(line, "|") || !found {
			continue
		}
		for _, m := range exampleEvent.FindAllStringSubmatch(events, -1) {
			at, err := time.Parse(time.DateOnly+" 15:04", now.AddDate(0, 0, -1).Format(time.DateOnly)+" "+m[1]+":"+m[2])
			if err != nil {
				t.Fatal(err)
			}
			properties := "{}"
			switch m[4] {
			case "country":
				properties = fmt.Sprintf(`{"country":%q}`, m[5])
			case "amount":
				properties = `{"amount":` + m[5] + `}`
			}
			rows = append(rows, row(user, at, m[3], properties))
		}
	}
	if len(rows) != 7 {
		t.Fatalf("the example has %d events", len(rows))
	}
	return rows
}

// TestExample compares the numbers in docs/insights.md with the answers.
func TestExample(t *testing.T) {
	r := newRig(t)
	r.loadRows(t, shopEvents(t))
	day := now.Truncate(24*time.Hour).AddDate(0, 0, -1)
	ask := func(kind string, given map[string]string) api.InsightResponse {
		t.Helper()
		given["from"], given["to"] = day.Format(time.RFC3339), day.AddDate(0, 0, 1).Format(time.RFC3339)
		resp := get(t, r.Handler, kind, given)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", kind, resp.Body)
		}
		return decode[api.InsightResponse](t, resp.Body)
	}
	f := ask("funnel", map[string]string{"steps": "page_view, checkout, purchase", "window": "1h"}).Funnel.Steps
	c := ask("retention", map[string]string{"start": "page_view", "return": "purchase", "unit": "day"}).Retention.Cohorts
	s := ask("sessions", map[string]string{}).Sessions
	b := ask("breakdown", map[string]string{"event": "purchase", "by": "eventType", "property": "amount"}).Breakdown.Groups
	p := ask("paths", map[string]string{"event": "page_view", "depth": "2"}).Paths.Paths
	section := strings.Join(strings.Fields(example(t)), " ")
	for _, want := range []string{
		fmt.Sprintf("`window=1h`: %d, %d and %d users.", f[0].Users, f[1].Users, f[2].Users),
		fmt.Sprintf("The median to `checkout` is %g min", *f[1].MedianSeconds/60),
		fmt.Sprintf("`return=purchase`: %d users, %d in period 0", c[0].Users, c[0].Returned[0]),
		fmt.Sprintf("`sessions`: %d sessions of %d users", s.Sessions, s.Users),
		fmt.Sprintf("%d events, %g per session", s.Events, s.EventsPerSession),
		fmt.Sprintf("median %g, mean %g s. Bounce rate %g.", *s.MedianSeconds, *s.MeanSeconds, s.BounceRate),
		fmt.Sprintf("`property=amount`: %d events of %d users, sum %s, median %s, 90th percentile %s.", b[0].Count, b[0].Users, b[0].Sum, b[0].Percentiles[0], b[0].Percentiles[1]),
		fmt.Sprintf("`depth=2`: `%s` (ann), `%s` (bob), and an empty path (cem)", strings.Join(p[2].Types, " \u2192 "), strings.Join(p[1].Types, "")),
	} {
		if !strings.Contains(section, want) {
			t.Errorf("docs/insights.md does not contain %q", want)
		}
	}
	if len(c) != 1 || len(b) != 1 || len(p) != 3 || len(p[0].Types) != 0 {
		t.Errorf("%+v %+v %+v", c, b, p)
	}
}

func TestQuestions(t *testing.T) {
	r := newRig(t)
	r.loadRows(t, shopEvents(t))
	day := now.Truncate(24*time.Hour).AddDate(0, 0, -1)
	span := map[string]string{"from": day.Format(time.RFC3339), "to": day.AddDate(0, 0, 1).Format(time.RFC3339)}
	ask := func(kind string, parameters ...string) api.InsightResponse {
		t.Helper()
		given := map[string]string{}
		for name, value := range span {
			given[name] = value
		}
		for i := 0; i < len(parameters); i += 2 {
			given[parameters[i]] = parameters[i+1]
		}
		resp := get(t, r.Handler, kind, given)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", kind, resp.StatusCode, resp.Body)
		}
		return decode[api.InsightResponse](t, resp.Body)
	}
	for _, packed := range []bool{false, true} {
		if packed {
			if _, err := (&warehouse.Sequences{DB: r.owner}).Pack(t.Context(), now, func() bool { return true }); err != nil {
				t.Fatal(err)
			}
		}
		f := ask("funnel", "steps", "page_view, checkout, purchase", "window", "1h", "by", "country")
		if s := f.Funnel.Steps; s[0].Users != 3 || s[1].Users != 2 || s[2].Users != 1 || *s[1].MedianSeconds != 600 || *s[2].MedianSeconds != 120 {
			t.Errorf("funnel: %+v", f.Funnel)
		}
		if f.Source != api.SourceWarehouse && !packed || f.Source != api.SourceCache && packed || f.UserShare != 1 {
			t.Errorf("origin: %+v, share %v", f.Origin, f.UserShare)
		}
		if g := f.Funnel.Groups; len(g) != 2 || g[0].Value != "DE" || g[0].Steps[2].Users != 1 || g[1].Steps[2].Users != 0 {
			t.Errorf("groups: %+v", g)
		}
	}
	s := ask("sessions").Sessions
	if s.Sessions != 4 || s.Users != 3 || *s.MedianSeconds != 0 || *s.MeanSeconds != 630 || s.BounceRate != 0.5 || s.EventsPerSession != 1.75 {
		t.Errorf("sessions: %+v", s)
	}
	b := ask("breakdown", "event", "purchase", "by", "eventType", "property", "amount").Breakdown
	if g := b.Groups; len(g) != 1 || g[0].Sum != "25" || g[0].Users != 2 || g[0].Percentiles[0] != "5" || g[0].Percentiles[1] != "20" {
		t.Errorf("breakdown: %+v", b)
	}
	p := ask("paths", "event", "page_view", "depth", "2").Paths
	if len(p.Paths) != 3 || !slices.Equal(p.Paths[2].Types, []string{"checkout", "purchase"}) || p.Occurrences != 3 {
		t.Errorf("paths: %+v", p)
	}
	c := ask("retention", "start", "page_view", "return", "purchase", "unit", "day", "periods", "1").Retention.Cohorts
	if len(c) != 1 || c[0].Users != 3 || c[0].Returned[0] != 2 {
		t.Errorf("retention: %+v", c)
	}
	e := decode[api.MetricResponse](t, get(t, r.Handler, "events", map[string]string{"from": span["from"], "to": span["to"], "step": "24h", "where": "amount>=20"}).Body)
	if len(e.Points) != 1 || e.Points[0].Count != 1 || e.Points[0].EventType != "purchase" || *e.UserShare != 1 || e.Where != "amount>=20" {
		t.Errorf("events: %+v", e)
	}
	u := decode[api.MetricResponse](t, get(t, r.Handler, "users", map[string]string{"from": span["from"][:10], "to": span["from"][:10], "where": "country=DE"}).Body)
	if len(u.Days) != 1 || *u.Days[0].Users != 2 || !u.Days[0].Exact {
		t.Errorf("users: %+v", u)
	}
	r.load(t, 2, time.Minute, "tap")
	live := decode[api.InsightResponse](t, get(t, r.Handler, "live", nil).Body).Live
	if live.Users != 2 || live.Events != 2 {
		t.Errorf("live: %+v", live)
	}
}

// TestHints asks for types and properties that no event has.
func TestHints(t *testing.T) {
	r := newRig(t)
	r.loadRows(t, shopEvents(t))
	day := now.Truncate(24*time.Hour).AddDate(0, 0, -1)
	span := map[string]string{"from": day.Format(time.RFC3339), "to": day.AddDate(0, 0, 1).Format(time.RFC3339)}
	for _, tt := range []struct {
		kind  string
		given map[string]string
		want  []string
	}{
		{"funnel", map[string]string{"steps": "page_view, purchase{amount>1}", "by": "country"}, nil},
		{"funnel", map[string]string{"steps": "page_veiw, purchase"}, []string{`No event has the type "page_veiw" in this range. Did you mean page_view?`}},
		{"funnel", map[string]string{"steps": "Signed Up, purchase", "by": "contry"}, []string{
			`No event has the type "Signed Up" in this range. Known are checkout, page_view, purchase.`,
			"No event of the question has the property contry in this range. Did you mean country?",
		}},
		{"retention", map[string]string{"start": "nothing", "return": "*"}, []string{`No event has the type "nothing" in this range. Known are checkout, page_view, purchase.`}},
		{"sessions", map[string]string{"where": "amuont>3"}, []string{"No event of the question has the property amuont in this range. Did you mean amount?"}},
		{"breakdown", map[string]string{"event": "purchase", "by": "country"}, []string{"No event of the question has the property country in this range."}},
		{"breakdown", map[string]string{"event": "*", "by": "eventType", "property": "a.b"}, []string{"No event of the question has the property a.b in this range. Known are amount, country."}},
		{"paths", map[string]string{"event": "purchases"}, []string{`No event has the type "purchases" in this range. Did you mean purchase?`}},
		{"events", map[string]string{"where": "contry=DE", "step": "24h"}, []string{"No event of the question has the property contry in this range. Did you mean country?"}},
		{"events", map[string]string{"eventType": "purchse", "step": "24h"}, []string{`No event has the type "purchse" in this range. Did you mean purchase?`}},
		{"users", map[string]string{"where": "contry"}, []string{"No event of the question has the property contry in this range. Did you mean country?"}},
	} {
		for name, value := range span {
			tt.given[name] = value
		}
		if tt.kind == "users" {
			tt.given["from"], tt.given["to"] = span["from"][:10], span["from"][:10]
		}
		resp := get(t, r.Handler, tt.kind, tt.given)
		if a := decode[api.MetricResponse](t, resp.Body); !slices.Equal(a.Hints, tt.want) {
			t.Errorf("%s %v: %d %q, want %q", tt.kind, tt.given, resp.StatusCode, a.Hints, tt.want)
		}
	}
}

// tight limits the memory of questions.
type tight struct {
	*warehouse.Sequences
	memory int64
}

func (s tight) Read(ctx context.Context, r warehouse.SequenceRequest, to warehouse.SequenceConsumer) (warehouse.SequenceInfo, error) {
	r.Memory = s.memory
	return s.Sequences.Read(ctx, r, to)
}

// TestPartialAnswer checks that a partial answer names its share and limit.
func TestPartialAnswer(t *testing.T) {
	r := newRig(t)
	r.load(t, 400, time.Minute, "tap")
	r.Sequences = tight{r.Sequences.(*warehouse.Sequences), 1600}
	for kind, given := range map[string]map[string]string{"sessions": {}, "breakdown": {"event": "*", "by": "eventType"}, "events": {"where": "x!=1"}, "users": {"where": "x!=1"}} {
		resp := get(t, r.Handler, kind, given)
		a := decode[api.MetricResponse](t, resp.Body)
		if a.UserShare == nil || *a.UserShare <= 0 || *a.UserShare >= 1 || a.Limit != api.LimitMemory {
			t.Errorf("%s: %s", kind, resp.Body)
		}
	}
	r.Sequences = tight{r.Sequences.(tight).Sequences, 100}
	if resp := get(t, r.Handler, "sessions", map[string]string{"gap": "1m"}); resp.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(resp.Body, "time and memory of a request") {
		t.Errorf("%d %s", resp.StatusCode, resp.Body)
	}
}

// TestQuestionsBusy holds both places for questions.
func TestQuestionsBusy(t *testing.T) {
	r := newRig(t)
	tx, err := r.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM insight_slot FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	resp := get(t, r.Handler, "live", nil)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Headers["Retry-After"] == "" || !strings.Contains(resp.Body, "other questions") {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Headers, resp.Body)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if resp := get(t, r.Handler, "live", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s", resp.StatusCode, resp.Body)
	}
}

func TestWrongQuestions(t *testing.T) {
	r := newRig(t)
	for _, tt := range []struct{ kind, name, value, want string }{
		{"funnel", "steps", "", "steps: is missing"},
		{"funnel", "steps", "a", "has 1 events: want 2 to 8"},
		{"funnel", "steps", "a,b{", "want a property"},
		{"funnel", "steps", "a,b{x>y}", "want a number"},
		{"funnel", "steps", `a,"b`, "not closed"},
		{"funnel", "step", "a", "step: is not known: use steps"},
		{"sessions", "where", "a=", "want a value"},
		{"sessions", "where", "a in ()", "want a value"},
		{"sessions", "where", "a==b", "want one of the operators"},
		{"sessions", "where", "a=>5", "want one of the operators"},
		{"sessions", "gap", "2d", "must be a duration from 1s to 24h"},
		{"sessions", "from", "2019-01-01T00:00:00Z", "at most 366 days before to"},
		{"sessions", "where", "a b", "want a comma"},
		{"live", "from", "x", "is not known: use where"},
		{"events", "where", "=", "where: want a property"},
	} {
		resp := get(t, r.Handler, tt.kind, map[string]string{tt.name: tt.value})
		if p := decode[api.Problem](t, resp.Body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(p.Detail, tt.want) {
			t.Errorf("%s %s=%s: %d %s, want %s", tt.kind, tt.name, tt.value, resp.StatusCode, p.Detail, tt.want)
		}
	}
}

package warehouse_test

import (
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/testkit/recount"
)

// TestSQLOfQuestions compares the statement of a question with a plain recount, for
// random questions about random events.
func TestSQLOfQuestions(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC) // the clock changes in Berlin
	to := from.Add(5 * 24 * time.Hour)
	d := shared.Warehouse(t, from, to)
	r := rand.New(rand.NewPCG(7, 1))
	var stored []recount.Event
	var rows [][]any
	for range 1500 {
		id := uuid.New()
		e := recount.Event{
			User: fmt.Sprintf("user%d", r.IntN(40)), Type: recount.Types[r.IntN(len(recount.Types))], Order: id.String(),
			At: from.Add(time.Duration(r.Int64N(int64(to.Sub(from)/time.Minute))) * time.Minute), Properties: recount.RandomProperties(r),
		}
		stored = append(stored, e)
		rows = append(rows, []any{id, e.User, e.Type, e.At, e.Properties, e.At, e.At})
	}
	columns := []string{"event_id", "user_id", "event_type", "timestamp", "properties", "received_at", "arrived_at"}
	conn := d.Conn(t)
	if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"events"}, columns, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
	compared := map[string]int{}
	for range 400 {
		q, err := recount.RandomQuestion(r, from, to, to)
		if err != nil {
			continue
		}
		statement, _ := q.SQL()
		if statement == "" {
			continue
		}
		found, err := conn.Query(t.Context(), statement)
		if err != nil {
			t.Fatalf("%v:\n%s", err, statement)
		}
		got, err := pgx.CollectRows(found, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
		if err != nil {
			t.Fatalf("%v:\n%s", err, statement)
		}
		want := recount.Answer(q, stored, to).Response
		if why := differs(q, got, want); why != "" {
			t.Fatalf("%s\n%+v\n%s", why, q, statement)
		}
		compared[q.Kind]++
	}
	for _, kind := range []string{api.QuestionFunnel, api.QuestionRetention, api.QuestionSessions, api.QuestionBreakdown, api.QuestionPaths} {
		if compared[kind] < 20 {
			t.Errorf("%d questions of the kind %s", compared[kind], kind)
		}
	}
}

// differs explains how the rows of a statement differ from an answer.
func differs(q insight.Question, rows [][]any, want api.InsightResponse) string {
	unequal := func(what string, got, want any) string {
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			return fmt.Sprintf("%s: %s, want %s", what, g, w)
		}
		return ""
	}
	switch q.Kind {
	case api.QuestionFunnel:
		for i, s := range want.Funnel.Steps {
			if why := unequal(s.Step, rows[0][i], s.Users); why != "" {
				return why
			}
		}
	case api.QuestionRetention:
		got, all := map[string]int64{}, map[string]int64{}
		for _, row := range rows {
			day := row[0].(time.Time).Format(time.DateOnly)
			got[day] = row[1].(int64)
			if row[2] != nil {
				got[fmt.Sprint(day, " ", row[2])] = row[3].(int64)
			}
		}
		for _, c := range want.Retention.Cohorts {
			day := c.Start.Format(time.DateOnly)
			if c.Users > 0 {
				all[day] = c.Users
			}
			for i, n := range c.Returned {
				if n > 0 {
					all[fmt.Sprint(day, " ", i)] = n
				}
			}
		}
		return unequal("cohorts", got, all)
	case api.QuestionSessions:
		s := want.Sessions
		if s.Sessions == 0 {
			return unequal("sessions", rows[0][:2], []int64{0, 0})
		}
		return unequal("sessions", rows[0][:2], []int64{s.Sessions, s.Users}) + unequal("rest", numbers(rows[0][2:4]), []float64{float64(s.Events), *s.MedianSeconds})
	case api.QuestionBreakdown:
		n := int64(0)
		for _, row := range rows {
			n += row[len(q.By)].(int64)
		}
		for i, g := range want.Breakdown.Groups {
			if why := unequal("group", same(rows, g, len(q.By)), g.Users); why != "" {
				return fmt.Sprint(why, " in ", i)
			}
			n -= g.Count
		}
		if want.Breakdown.Rest != nil {
			n -= want.Breakdown.Rest.Count
		}
		return unequal("all groups", n, 0)
	case api.QuestionPaths:
		n := int64(0)
		for _, row := range rows {
			n += row[1].(int64)
			for _, p := range want.Paths.Paths {
				if fmt.Sprint(p.Types) == fmt.Sprint(row[0]) {
					if why := unequal(fmt.Sprint(p.Types), row[1:], []int64{p.Count, p.Users}); why != "" {
						return why
					}
				}
			}
		}
		return unequal("occurrences", n, want.Paths.Occurrences) + unequal("paths", len(rows), len(want.Paths.Paths)+want.Paths.RestPaths)
	}
	return ""
}

// same returns the users of a group in the rows of a breakdown; nil if it is missing or
// has other numbers.
func same(rows [][]any, g api.BreakdownGroup, by int) any {
	for _, row := range rows {
		equal := row[by] == g.Count
		for i, v := range g.Values {
			equal = equal && row[i] == v
		}
		if equal && g.Numbers > 0 {
			equal = fmt.Sprint(numbers([]any{row[by+2]})) == fmt.Sprint([]float64{float64(g.Numbers)})
			for i, want := range []api.Number{g.Sum, g.Min, g.Max} {
				got := numbers([]any{row[by+3+i]})
				equal = equal && fmt.Sprint(got) == fmt.Sprint(numbers([]any{string(want)}))
			}
		}
		if equal {
			return row[by+1]
		}
	}
	return nil
}

// numbers returns values as floating-point numbers.
func numbers(values []any) (all []float64) {
	for _, v := range values {
		var n float64
		text := fmt.Sprint(v)
		if v, ok := v.(driver.Valuer); ok {
			if plain, err := v.Value(); err == nil {
				text = fmt.Sprint(plain)
			}
		}
		if _, err := fmt.Sscan(text, &n); err != nil {
			return nil
		}
		all = append(all, n)
	}
	return all
}

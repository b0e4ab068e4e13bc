package insight

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/sequence"
)

// SQL returns a statement on the view people_events with the same numbers as the answer,
// and what the statement lacks; empty if it lacks nothing. The statement is empty for a
// question that has none.
func (q Question) SQL() (statement, lacks string) {
	switch q.Kind {
	case api.QuestionFunnel:
		lacks = "The statement has the users of each step, without the median times."
		if len(q.By) > 0 {
			lacks = "The statement has the users of each step, without the groups and the median times."
		}
		return q.funnelSQL(), lacks
	case api.QuestionRetention:
		return q.retentionSQL(), ""
	case api.QuestionSessions:
		return q.sessionsSQL(), "The statement lacks the types of the first and last events."
	case api.QuestionBreakdown:
		return q.breakdownSQL(), "The statement lists all groups, without a rest."
	case api.QuestionPaths:
		return q.pathsSQL(), "The statement lists all paths, without a rest."
	}
	return "", ""
}

// literal returns a string constant.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func sqlTime(t time.Time) string { return literal(t.UTC().Format("2006-01-02T15:04:05.999999Z")) }

func sqlDuration(d time.Duration) string {
	return "interval " + literal(strconv.FormatFloat(d.Seconds(), 'f', -1, 64)+" seconds")
}

// sqlPath returns the path of a property in the column properties.
func sqlPath(path string) string {
	names, err := metric.Names(path)
	if err != nil { // impossible: the path was parsed
		return "NULL"
	}
	for i, name := range names {
		names[i] = literal(name)
	}
	return "ARRAY[" + strings.Join(names, ", ") + "]"
}

// sqlValue returns a property, or the type, as a group's value.
func sqlValue(path string) string {
	if path == byType {
		return "event_type"
	}
	p := sqlPath(path)
	return "CASE jsonb_typeof(properties #> " + p + ") WHEN 'string' THEN properties #>> " + p + " WHEN 'boolean' THEN properties #>> " + p +
		" WHEN 'number' THEN trim_scale((properties #>> " + p + ")::numeric)::text ELSE '' END"
}

// sqlNumber returns a property if it is a number, else NULL.
func sqlNumber(path string) string {
	p := sqlPath(path)
	return "CASE WHEN jsonb_typeof(properties #> " + p + ") = 'number' THEN (properties #>> " + p + ")::numeric END"
}

// sql returns the filter as a condition that is never NULL.
func (f Filter) sql() string {
	p := "properties #> " + sqlPath(f.Path)
	switch f.Op {
	case opExists:
		return "coalesce(jsonb_typeof(" + p + ") <> 'null', false)"
	case opIs, opIsNot:
		var values []string
		for _, v := range f.Values {
			text := v[1:]
			if v[0] == sequence.KindText {
				quoted, err := json.Marshal(text)
				if err != nil { // impossible: a string
					continue
				}
				text = string(quoted)
			}
			values = append(values, literal(text)+"::jsonb")
		}
		condition := "coalesce(" + p + " IN (" + strings.Join(values, ", ") + "), false)"
		if f.Op == opIsNot {
			return "NOT " + condition
		}
		return condition
	default:
		return "coalesce(" + sqlNumber(f.Path) + " " + f.Op + " " + f.Values[0][1:] + ", false)"
	}
}

// sql returns the selection as a condition.
func (s Selection) sql() string {
	all := sqlFilters(s.Filters)
	if s.Type != "" {
		all = append([]string{"event_type = " + literal(s.Type)}, all...)
	}
	if len(all) == 0 {
		return "true"
	}
	return strings.Join(all, " AND ")
}

func sqlFilters(filters []Filter) (all []string) {
	for _, f := range filters {
		all = append(all, f.sql())
	}
	return all
}

// events returns the FROM and WHERE clauses for the needed events.
func (q Question) eventsSQL(indent string) string {
	need := q.Need()
	all := append([]string{"timestamp >= " + sqlTime(need.From), "timestamp < " + sqlTime(need.To)}, sqlFilters(q.Where)...)
	if len(need.Types) > 0 {
		var types []string
		for _, t := range need.Types {
			types = append(types, literal(t))
		}
		all = append(all, "event_type IN ("+strings.Join(types, ", ")+")")
	}
	return "FROM people_events\n" + indent + "WHERE " + strings.Join(all, "\n"+indent+"  AND ")
}

// funnelSQL follows each step from the latest attempt that has completed the previous
// one, as the evaluation does.
func (q Question) funnelSQL() string {
	var b strings.Builder
	b.WriteString("WITH e AS (\n  SELECT person_id, timestamp, event_id")
	for i, s := range q.Events {
		fmt.Fprintf(&b, ",\n    %s AS is%d", s.sql(), i+1)
	}
	fmt.Fprintf(&b, "\n  %s\n), s1 AS (\n  SELECT *, CASE WHEN is1 AND timestamp < %s THEN timestamp END AS begun1 FROM e\n)", q.eventsSQL("  "), sqlTime(q.To))
	for i := 2; i <= len(q.Events); i++ {
		fmt.Fprintf(&b, `, s%d AS (
  SELECT *, CASE WHEN is%d AND timestamp - max(begun%d) OVER before <= %s
    THEN max(begun%d) OVER before END AS begun%d
  FROM s%d
  WINDOW before AS (PARTITION BY person_id ORDER BY timestamp, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)`, i, i, i-1, sqlDuration(q.Window), i-1, i, i-1)
	}
	b.WriteString("\nSELECT ")
	for i := range q.Events {
		if i > 0 {
			b.WriteString(",\n  ")
		}
		fmt.Fprintf(&b, "count(DISTINCT person_id) FILTER (WHERE begun%d IS NOT NULL) AS step%d", i+1, i+1)
	}
	fmt.Fprintf(&b, "\nFROM s%d", len(q.Events))
	return b.String()
}

func (q Question) retentionSQL() string {
	local := func(column string) string {
		return fmt.Sprintf("date_trunc(%s, %s AT TIME ZONE %s)", literal(q.Unit), column, literal(q.Zone))
	}
	period := map[string]string{
		UnitDay:   "p::date - cohort::date",
		UnitWeek:  "(p::date - cohort::date) / 7",
		UnitMonth: "(date_part('year', p) * 12 + date_part('month', p) - date_part('year', cohort) * 12 - date_part('month', cohort))::int",
	}[q.Unit]
	return fmt.Sprintf(`WITH e AS (
  SELECT person_id, timestamp, event_id, %s AS starts, %s AS returns
  %s
), first AS (
  SELECT DISTINCT ON (person_id) person_id, timestamp, event_id, %s AS cohort
  FROM e WHERE starts AND timestamp < %s
  ORDER BY person_id, timestamp, event_id
), back AS (
  SELECT DISTINCT first.person_id, cohort, %s AS p
  FROM first JOIN e ON e.person_id = first.person_id AND (e.timestamp, e.event_id) > (first.timestamp, first.event_id)
  WHERE returns
), size AS (
  SELECT cohort, count(*) AS users FROM first GROUP BY cohort
), found AS (
  SELECT cohort, %s AS period, count(*) AS returned FROM back GROUP BY cohort, p
)
SELECT cohort::date, users, period, returned
FROM size LEFT JOIN found USING (cohort)
WHERE period IS NULL OR period <= %d
ORDER BY cohort, period`, q.Events[0].sql(), q.Events[1].sql(), q.eventsSQL("  "), local("timestamp"), sqlTime(q.To), local("e.timestamp"), period, q.Periods)
}

func (q Question) sessionsSQL() string {
	return fmt.Sprintf(`WITH e AS (
  SELECT person_id, timestamp, event_id,
    timestamp - lag(timestamp) OVER (PARTITION BY person_id ORDER BY timestamp, event_id) <= %s AS same
  %s
), n AS (
  SELECT *, count(*) FILTER (WHERE same IS NOT TRUE) OVER (PARTITION BY person_id ORDER BY timestamp, event_id) AS session FROM e
), s AS (
  SELECT person_id, count(*) AS events, extract(epoch FROM max(timestamp) - min(timestamp)) AS seconds
  FROM n GROUP BY person_id, session
  HAVING min(timestamp) >= %s AND min(timestamp) < %s
)
SELECT count(*) AS sessions, count(DISTINCT person_id) AS users, sum(events) AS events,
  percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds) AS median_seconds, avg(seconds) AS mean_seconds,
  avg((events = 1)::int) AS bounce_rate
FROM s`, sqlDuration(q.Gap), q.eventsSQL("  "), sqlTime(q.From), sqlTime(q.To))
}

func (q Question) breakdownSQL() string {
	var columns, groups []string
	for i, by := range q.By {
		columns = append(columns, fmt.Sprintf("%s AS value%d", sqlValue(by), i+1))
		groups = append(groups, strconv.Itoa(i+1))
	}
	numbers := ""
	if q.Property != "" {
		n := sqlNumber(q.Property)
		var percents []string
		for _, p := range q.Percents {
			percents = append(percents, strconv.FormatFloat(float64(p)/100, 'f', -1, 64))
		}
		numbers = fmt.Sprintf(",\n  count(%s) AS numbers, sum(%s) AS sum, min(%s) AS min, max(%s) AS max,\n  percentile_disc(ARRAY[%s]) WITHIN GROUP (ORDER BY %s) AS percentiles", n, n, n, n, strings.Join(percents, ", "), n)
	}
	return fmt.Sprintf("SELECT %s,\n  count(*) AS events, count(DISTINCT person_id) AS users%s\n%s\n  AND %s\nGROUP BY %s\nORDER BY events DESC",
		strings.Join(columns, ", "), numbers, q.eventsSQL(""), q.Events[0].sql(), strings.Join(groups, ", "))
}

func (q Question) pathsSQL() string {
	look := "lead"
	if q.Before {
		look = "lag"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "WITH e AS (\n  SELECT person_id, timestamp, (%s) AS is_event", q.Events[0].sql())
	for i := 1; i <= q.Depth; i++ {
		later, earlier := i, i-1
		if q.Before {
			later, earlier = i-1, i
		}
		fmt.Fprintf(&b, ",\n    %s(event_type, %d) OVER w AS type%d, coalesce(%s(timestamp, %d) OVER w - %s(timestamp, %d) OVER w <= %s, false) AS near%d",
			look, i, i, look, later, look, earlier, sqlDuration(q.Gap), i)
	}
	fmt.Fprintf(&b, "\n  %s\n  WINDOW w AS (PARTITION BY person_id ORDER BY timestamp, event_id)\n)\nSELECT array_remove(ARRAY[", q.eventsSQL("  "))
	for i := 1; i <= q.Depth; i++ {
		k := i
		if q.Before {
			k = q.Depth + 1 - i
		}
		var near []string
		for j := 1; j <= k; j++ {
			near = append(near, fmt.Sprintf("near%d", j))
		}
		if i > 1 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "CASE WHEN %s THEN type%d END", strings.Join(near, " AND "), k)
	}
	fmt.Fprintf(&b, "], NULL) AS path, count(*) AS events, count(DISTINCT person_id) AS users\nFROM e WHERE is_event AND timestamp >= %s AND timestamp < %s\nGROUP BY path\nORDER BY events DESC, path", sqlTime(q.From), sqlTime(q.To))
	return b.String()
}

package tail

import (
	"strconv"
	"strings"
)

// Property is a condition on a property, compared as text.
type Property struct {
	Path  []string
	Value string
}

// Query is a statement with its parameters but the first two, time and limit.
type Query struct {
	text       string
	parameters [][]byte
	// most is the largest number of events that one statement returns.
	most int
}

// NewQuery returns the statement for the newest events. Texts of the command line are
// parameters.
func NewQuery(eventType, user string, where []Property) Query {
	const utc = ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
	q := Query{most: Most, text: `SELECT event_id, to_char("timestamp"` + utc + `, to_char(arrived_at` + utc + `, user_id, event_type, properties
		FROM events WHERE arrived_at >= $1::text::timestamptz`}
	add := func(value string) string {
		q.parameters = append(q.parameters, []byte(value))
		return "$" + strconv.Itoa(len(q.parameters)+2)
	}
	if eventType != "" {
		q.text += " AND event_type = " + add(eventType) + "::text"
	}
	if user != "" {
		q.text += " AND user_id = " + add(user) + "::text"
	}
	for _, p := range where {
		q.text += " AND properties #>> " + add(arrayText(p.Path)) + "::text::text[] = " + add(p.Value) + "::text"
	}
	q.text += ` ORDER BY arrived_at DESC, event_id DESC LIMIT $2::text::int`
	return q
}

// arrayText is PostgreSQL's text of an array.
func arrayText(values []string) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var quoted []string
	for _, v := range values {
		quoted = append(quoted, `"`+quote.Replace(v)+`"`)
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

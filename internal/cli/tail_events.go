package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
)

type rawJSON = json.RawMessage

const (
	// tailOverlap is the time that each poll repeats, because the shards are loaded in
	// parallel: an event can become queryable after others that arrived later.
	tailOverlap = 2 * time.Minute
	// tailFormat writes a time as PostgreSQL reads it.
	tailFormat = "2006-01-02T15:04:05.000000Z"
)

// propertyIs is a condition on a property, compared as text.
type propertyIs struct {
	path  []string
	value string
}

// tailQuery is a statement with its parameters but the first two, time and limit.
type tailQuery struct {
	text       string
	parameters [][]byte
}

// newTailQuery returns the statement for the newest events. Texts of the command line are
// parameters.
func newTailQuery(eventType, user string, where []propertyIs) tailQuery {
	const utc = ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
	q := tailQuery{text: `SELECT event_id, to_char("timestamp"` + utc + `, to_char(arrived_at` + utc + `, user_id, event_type, properties
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
		q.text += " AND properties #>> " + add(arrayText(p.path)) + "::text::text[] = " + add(p.value) + "::text"
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

// eventTail shows each event once.
type eventTail struct {
	server *sqlServer
	conn   *sqlConn // nil before the first statement and after a lost connection
	query  tailQuery
	// newest is the time of the newest event that was seen, or the database's time at the
	// start; seen are the events of the overlap, with their times.
	newest time.Time
	seen   map[string]time.Time
}

func (t *eventTail) end(ctx context.Context) {
	if t.conn != nil {
		t.conn.end(ctx)
		t.conn = nil
	}
}

func (t *eventTail) follow(ctx context.Context, a *App, o tailOptions) error {
	events, err := t.begin(ctx, o.last)
	failed := "" // the last failure, which is reported once
	for err == nil {
		for _, e := range events {
			if err := e.show(a); err != nil {
				return err
			}
		}
		if o.noFollow || pause.For(ctx, o.every) != nil {
			return nil
		}
		var more bool
		events, more, err = t.poll(ctx)
		if more {
			a.notef("More events arrive than tail shows: some are missing here, but not in the database")
		}
		if err != nil && ctx.Err() == nil {
			if failure := message(err); failure != failed {
				a.notef("The events can't be read: %s; trying again", failure)
				failed = failure
			}
			events, err = nil, nil
		} else {
			failed = ""
		}
	}
	if !o.noFollow && ctx.Err() != nil {
		return nil
	}
	return err
}

// begin returns the last events, oldest first. It searches a short time first, because
// the events of a long time have to be sorted.
func (t *eventTail) begin(ctx context.Context, last int) ([]tailedEvent, error) {
	now, err := t.rows(ctx, `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`, nil)
	if err != nil {
		return nil, err
	}
	if len(now) != 1 {
		return nil, fmt.Errorf("run SQL: the database's time has %d rows", len(now))
	}
	if t.newest, err = time.Parse(tailFormat, string(now[0][0])); err != nil {
		return nil, fmt.Errorf("run SQL: %w", err)
	}
	for _, age := range []time.Duration{15 * time.Minute, 6 * time.Hour, 72 * time.Hour} {
		events, err := t.read(ctx, t.newest.Add(-age))
		if err != nil {
			return nil, err
		}
		if len(events) >= last || age == 72*time.Hour {
			t.mark(events)
			return events[max(0, len(events)-last):], nil
		}
	}
	return nil, nil
}

// poll returns the events since the last poll, oldest first, and whether there were more
// than one poll reads.
func (t *eventTail) poll(ctx context.Context) (fresh []tailedEvent, more bool, err error) {
	all, err := t.read(ctx, t.newest.Add(-tailOverlap))
	if err != nil {
		return nil, false, err
	}
	more = len(all) == maxTail && !t.has(all[0])
	fresh = slices.DeleteFunc(slices.Clone(all), t.has)
	t.mark(all)
	return fresh, more, nil
}

func (t *eventTail) has(e tailedEvent) bool {
	_, known := t.seen[e.key()]
	return known
}

// key identifies an event.
func (e tailedEvent) key() string { return e.EventID + e.Timestamp.String() }

// mark remembers events, and forgets those that no poll can return again.
func (t *eventTail) mark(events []tailedEvent) {
	for _, e := range events {
		t.seen[e.key()] = e.ArrivedAt
		if e.ArrivedAt.After(t.newest) {
			t.newest = e.ArrivedAt
		}
	}
	for key, at := range t.seen {
		if at.Before(t.newest.Add(-tailOverlap)) {
			delete(t.seen, key)
		}
	}
}

// read returns the newest events since a time, oldest first.
func (t *eventTail) read(ctx context.Context, since time.Time) ([]tailedEvent, error) {
	rows, err := t.rows(ctx, t.query.text, slices.Concat([][]byte{[]byte(since.UTC().Format(tailFormat)), []byte(strconv.Itoa(maxTail))}, t.query.parameters))
	if err != nil {
		return nil, err
	}
	out := make([]tailedEvent, len(rows))
	for i, row := range rows {
		e := tailedEvent{EventID: string(row[0]), UserID: string(row[3]), EventType: string(row[4]), Properties: row[5]}
		var atErr, arrivedErr error
		e.Timestamp, atErr = time.Parse(tailFormat, string(row[1]))
		e.ArrivedAt, arrivedErr = time.Parse(tailFormat, string(row[2]))
		if err := errors.Join(atErr, arrivedErr); err != nil {
			return nil, fmt.Errorf("read event %s: %w", e.EventID, err)
		}
		out[len(rows)-1-i] = e
	}
	return out, nil
}

// rows runs a statement, on a new connection if there is none.
func (t *eventTail) rows(ctx context.Context, text string, parameters [][]byte) ([][][]byte, error) {
	if t.conn != nil && t.conn.conn.IsClosed() {
		t.end(ctx)
	}
	if t.conn == nil {
		conn, err := t.server.connect(ctx)
		if err != nil {
			return nil, err
		}
		t.conn = conn
	}
	result := t.conn.conn.ExecParams(ctx, text, parameters, nil, nil, nil).Read()
	return result.Rows, sqlFailure(ctx, result.Err)
}

// Package tail reads the newest events of the warehouse, and what ingest rejected, for
// `streamctl tail` and the dashboard.
package tail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	// Most is the largest number of events that one poll reads.
	Most = 1000
	// overlap is the time that each poll repeats, because the shards are loaded in
	// parallel: an event can become queryable after others that arrived later.
	overlap = 2 * time.Minute
	// timeFormat writes a time as PostgreSQL reads it.
	timeFormat = "2006-01-02T15:04:05.000000Z"
)

// Event is an event as it is shown.
type Event struct {
	EventID    string          `json:"eventId"`
	Timestamp  time.Time       `json:"timestamp"`
	ArrivedAt  time.Time       `json:"arrivedAt"`
	UserID     string          `json:"userId"`
	EventType  string          `json:"eventType"`
	Properties json.RawMessage `json:"properties"`
}

// Rows runs a statement with parameters as text and returns its rows.
type Rows func(ctx context.Context, text string, parameters [][]byte) ([][][]byte, error)

// Events returns each event once. It is not safe for concurrent use.
type Events struct {
	Rows  Rows
	Query Query
	// newest is the time of the newest event that was seen, or the database's time at the
	// start; seen are the events of the overlap, with their times.
	newest time.Time
	seen   map[string]time.Time
}

// NewEvents returns a reader of the events that a query selects.
func NewEvents(rows Rows, q Query) *Events {
	return &Events{Rows: rows, Query: q, seen: map[string]time.Time{}}
}

// Begin returns the last events, oldest first. It searches a short time first, because
// the events of a long time have to be sorted.
func (t *Events) Begin(ctx context.Context, last int) ([]Event, error) {
	now, err := t.Rows(ctx, `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`, nil)
	if err != nil {
		return nil, err
	}
	if len(now) != 1 {
		return nil, fmt.Errorf("run SQL: the database's time has %d rows", len(now))
	}
	if t.newest, err = time.Parse(timeFormat, string(now[0][0])); err != nil {
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

// Poll returns the events since the last poll, oldest first, and whether there were more
// than one poll reads.
func (t *Events) Poll(ctx context.Context) (fresh []Event, more bool, err error) {
	all, err := t.read(ctx, t.newest.Add(-overlap))
	if err != nil {
		return nil, false, err
	}
	more = len(all) == t.Query.most && !t.has(all[0])
	fresh = slices.DeleteFunc(slices.Clone(all), t.has)
	t.mark(all)
	return fresh, more, nil
}

func (t *Events) has(e Event) bool {
	_, known := t.seen[e.key()]
	return known
}

// key identifies an event.
func (e Event) key() string { return e.EventID + e.Timestamp.String() }

// mark remembers events, and forgets those that no poll can return again.
func (t *Events) mark(events []Event) {
	for _, e := range events {
		t.seen[e.key()] = e.ArrivedAt
		if e.ArrivedAt.After(t.newest) {
			t.newest = e.ArrivedAt
		}
	}
	for key, at := range t.seen {
		if at.Before(t.newest.Add(-overlap)) {
			delete(t.seen, key)
		}
	}
}

// read returns the newest events since a time, oldest first.
func (t *Events) read(ctx context.Context, since time.Time) ([]Event, error) {
	rows, err := t.Rows(ctx, t.Query.text, slices.Concat([][]byte{[]byte(since.UTC().Format(timeFormat)), []byte(strconv.Itoa(t.Query.most))}, t.Query.parameters))
	if err != nil {
		return nil, err
	}
	out := make([]Event, len(rows))
	for i, row := range rows {
		e := Event{EventID: string(row[0]), UserID: string(row[3]), EventType: string(row[4]), Properties: row[5]}
		var atErr, arrivedErr error
		e.Timestamp, atErr = time.Parse(timeFormat, string(row[1]))
		e.ArrivedAt, arrivedErr = time.Parse(timeFormat, string(row[2]))
		if err := errors.Join(atErr, arrivedErr); err != nil {
			return nil, fmt.Errorf("read event %s: %w", e.EventID, err)
		}
		out[len(rows)-1-i] = e
	}
	return out, nil
}

package warehouse

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
)

// objects are an operator's objects on events that may change, drop or hide a
// row.
type objects struct {
	// triggers are the names of the enabled triggers on INSERT.
	triggers []string
	// rules and policies report rewrite rules and row-level security.
	rules, policies bool
}

// present reports whether rows must be read back after an INSERT.
func (o *objects) present() bool { return len(o.triggers) > 0 || o.rules || o.policies }

// queue adds the statement that reads the objects.
func (o *objects) queue(batch *pgx.Batch) {
	batch.Queue(`SELECT c.relhasrules, c.relrowsecurity, ARRAY(
			SELECT DISTINCT t.tgname::text FROM pg_catalog.pg_trigger t
			WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 4 <> 0
			  AND (t.tgrelid = c.oid OR t.tgrelid IN (SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = c.oid)) ORDER BY 1)
		FROM pg_catalog.pg_class c WHERE c.oid = 'public.events'::regclass`).
		QueryRow(func(row pgx.Row) error { return row.Scan(&o.rules, &o.policies, &o.triggers) })
}

// dropReason returns the reason for a row that disappeared without an error.
func (o *objects) dropReason() string {
	if len(o.triggers) == 0 {
		return "dropped by a database object"
	}
	return "dropped by a database object: trigger " + strings.Join(o.triggers, ", ") + " on events"
}

// insertGuarded inserts the rows that are not stored yet and returns them as
// stored, with any changes by triggers. dropped are rows that are not stored
// although no statement failed. A trigger that changes an identity is an error:
// a redelivery would store the event twice.
func (l *load) insertGuarded(ctx context.Context, tx pgx.Tx, rows []Row) (inserted []Row, dropped []Rejected, err error) {
	before, err := l.readBack(ctx, tx, rows)
	if err != nil {
		return nil, nil, err
	}
	fresh := make([]Row, 0, len(rows))
	for _, r := range rows {
		if _, ok := before[r.identity()]; !ok {
			fresh = append(fresh, r)
		}
	}
	isMine, err := l.insertFresh(ctx, tx, fresh)
	if err != nil {
		return nil, nil, err
	}
	after, err := l.readBack(ctx, tx, fresh)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range fresh {
		now, isStored := after[r.identity()]
		switch {
		case !isStored:
			dropped = append(dropped, Rejected{Record: r.Record, Seq: r.Seq, I: r.I, Reason: l.objects.dropReason()})
		case isMine(r, now): // otherwise a concurrent load stored it
			if r, err = l.measured(r, now.event); err != nil {
				return nil, nil, &rowError{err.Error()}
			}
			inserted = append(inserted, r)
		}
	}
	return inserted, dropped, nil
}

// insertFresh inserts rows that were not stored a moment ago. isMine reports
// whether this load stored a row. INSERT … ON CONFLICT does not work with
// rules; COPY, which ignores rules, does not work with row-level security; and
// RETURNING does not work with a policy that hides the row from the loader.
func (l *load) insertFresh(ctx context.Context, tx pgx.Tx, rows []Row) (isMine func(Row, storedEvent) bool, err error) {
	byLine := func(r Row, s storedEvent) bool { return s.line == LineHash(l.Shard, r.Seq, r.I) }
	switch {
	case len(rows) == 0:
		return byLine, nil
	case l.objects.rules && l.objects.policies:
		return byLine, l.insertBlindly(ctx, tx, rows, "")
	case l.objects.policies:
		// Without columns, which would need a policy for SELECT.
		return byLine, l.insertBlindly(ctx, tx, rows, "ON CONFLICT DO NOTHING")
	case l.objects.rules:
		in := incoming{chunk: &l.Chunk, rows: rows, decoded: l.Records, values: make([]any, len(eventColumns))}
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"public", "events"}, eventColumns, &in)
		return func(Row, storedEvent) bool { return true }, err
	}
	sent := make(map[int64]identity, len(rows))
	for _, r := range rows {
		sent[LineHash(l.Shard, r.Seq, r.I)] = r.identity()
	}
	mine := make(map[identity]bool, len(rows))
	var changed error
	err = l.insertNew(ctx, tx, rows, func(id identity, line int64) {
		mine[id] = true
		if as, ok := sent[line]; ok && as != id {
			changed = &rowError{"event_id or timestamp changed by a database object: trigger " + strings.Join(l.objects.triggers, ", ") + " on events"}
		}
	})
	return func(r Row, _ storedEvent) bool { return mine[r.identity()] }, errors.Join(err, changed)
}

// insertBlindly inserts rows without finding out which are new.
func (l *load) insertBlindly(ctx context.Context, tx pgx.Tx, rows []Row, conflict string) error {
	c := l.columns(rows)
	_, err := tx.Exec(ctx, `
		INSERT INTO public.events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at, line, source)
		SELECT u.*, $9 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[], $6::timestamptz[], $7::timestamptz[], $8::bigint[]) u `+conflict,
		c.ids, c.users, c.types, c.times, c.properties, c.received, c.arrivals, c.lines, textOrNull(l.Source))
	return err
}

// storedEvent is an event as stored, with the hash of its line; 0 for an event
// older than that column.
type storedEvent struct {
	event event.Event
	line  int64
}

// readBack reads rows by identity as stored, including those that a policy
// hides from the loader.
func (l *load) readBack(ctx context.Context, tx pgx.Tx, rows []Row) (map[identity]storedEvent, error) {
	stored := make(map[identity]storedEvent, len(rows))
	if len(rows) == 0 {
		return stored, nil
	}
	ids, times := make([][16]byte, len(rows)), make([]time.Time, len(rows))
	for i, r := range rows {
		ids[i], times[i] = r.Event.ID, r.Event.Timestamp
	}
	answer, err := tx.Query(ctx, "SELECT event_id, user_id, event_type, timestamp, properties, coalesce(line, 0) FROM public.stored_events($1, $2)", ids, times)
	if err != nil {
		return nil, err
	}
	var s storedEvent
	var id [16]byte
	var properties []byte
	_, err = pgx.ForEachRow(answer, []any{&id, &s.event.UserID, &s.event.Type, &s.event.Timestamp, &properties, &s.line}, func() error {
		s.event.ID, s.event.Timestamp, s.event.Properties = id, s.event.Timestamp.UTC(), slices.Clone(properties)
		stored[identity{id, s.event.Timestamp.UnixMicro()}] = s
		return nil
	})
	return stored, err
}

// measured replaces a row's event by the stored one and recomputes its
// measures.
func (l *load) measured(r Row, stored event.Event) (Row, error) {
	r.Event = stored
	if err := r.Event.Properties.Compact(); err != nil {
		return r, err
	}
	if l.Measure == nil {
		return r, nil
	}
	var err error
	r.Measures, err = l.Measure(r.Event)
	return r, err
}

package warehouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// insert inserts the chunk's rows into events and returns the new ones. It uses
// COPY, which is fastest; copied reports that every row was copied. If COPY
// meets a duplicate or an error that a row may have caused, and if an
// operator's object may change or drop rows, insert uses INSERT.
func (l *load) insert(ctx context.Context, tx pgx.Tx) (inserted []Row, copied bool, err error) {
	if l.MaySkew || l.skewedBefore {
		for l.in.decode() {
		}
		rows, err := l.sameEvents(ctx, tx, l.in.rows)
		if err != nil {
			return nil, false, err
		}
		if len(rows) < len(l.in.rows) || l.MaySkew {
			inserted, err = l.insertSafely(ctx, tx, rows)
			return inserted, false, err
		}
	}
	if !l.objects.present() && l.timeouts == nil {
		n, err := tx.CopyFrom(ctx, pgx.Identifier{"public", "events"}, eventColumns, l.in)
		if err == nil && n == int64(len(l.in.rows)) {
			return l.in.rows, true, nil
		}
		if err != nil && (!mayBeTheData(err) || l.isFirstTimeout(err)) {
			return nil, false, fmt.Errorf("copy events: %w", err)
		}
		if _, err := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT copy"); err != nil {
			return nil, false, fmt.Errorf("roll back copy: %w", err)
		}
	}
	for l.in.decode() { // the records that COPY did not reach
	}
	inserted, err = l.insertSafely(ctx, tx, l.in.rows)
	return inserted, false, err
}

// savepoint runs work in a savepoint, so that its failure leaves the
// transaction usable.
func savepoint(ctx context.Context, tx pgx.Tx, work func(pgx.Tx) error) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	if err := work(inner); err != nil {
		return errors.Join(err, inner.Rollback(ctx))
	}
	return inner.Commit(ctx)
}

// trial runs work and always rolls it back.
func trial(ctx context.Context, tx pgx.Tx, work func(pgx.Tx) error) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	return errors.Join(work(inner), inner.Rollback(ctx))
}

// columns holds rows as the array parameters of a statement.
type columns struct {
	ids                       [][16]byte
	users, types, properties  []string
	times, received, arrivals []time.Time
	lines                     []int64
}

func (l *load) columns(rows []Row) columns {
	n := len(rows)
	c := columns{
		ids: make([][16]byte, n), users: make([]string, n), types: make([]string, n), properties: make([]string, n),
		times: make([]time.Time, n), received: make([]time.Time, n), arrivals: make([]time.Time, n), lines: make([]int64, n),
	}
	for i, r := range rows {
		c.ids[i], c.users[i], c.types[i], c.properties[i] = r.Event.ID, r.Event.UserID, r.Event.Type, string(r.Event.Properties)
		c.times[i], c.received[i], c.arrivals[i] = r.Event.Timestamp, r.ReceivedAt, r.ArrivedAt
		c.lines[i] = LineHash(l.Shard, r.Seq, r.I)
	}
	return c
}

// insertRows inserts the rows that are not stored yet and returns them.
func (l *load) insertRows(ctx context.Context, tx pgx.Tx, rows []Row) ([]Row, error) {
	fresh := make(map[identity]struct{}, len(rows))
	err := l.insertNew(ctx, tx, rows, func(id identity, _ int64) { fresh[id] = struct{}{} })
	if err != nil {
		return nil, err
	}
	inserted := make([]Row, 0, len(fresh))
	for _, r := range rows {
		if _, ok := fresh[r.identity()]; ok {
			inserted = append(inserted, r)
		}
	}
	return inserted, nil
}

// insertNew inserts the rows that are not stored yet, and calls each with the
// stored identity and line of every new row.
func (l *load) insertNew(ctx context.Context, tx pgx.Tx, rows []Row, each func(identity, int64)) error {
	c := l.columns(rows)
	answer, err := tx.Query(ctx, `
		INSERT INTO public.events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at, line, source)
		SELECT u.*, $9 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[], $6::timestamptz[], $7::timestamptz[], $8::bigint[]) u
		ON CONFLICT (event_id, timestamp) DO NOTHING
		RETURNING event_id, timestamp, line`, c.ids, c.users, c.types, c.times, c.properties, c.received, c.arrivals, c.lines, textOrNull(l.Source))
	if err != nil {
		return err
	}
	var id [16]byte
	var at time.Time
	var line *int64
	_, err = pgx.ForEachRow(answer, []any{&id, &at, &line}, func() error {
		hash := int64(0)
		if line != nil {
			hash = *line
		}
		each(identity{id, at.UnixMicro()}, hash)
		return nil
	})
	return err
}

// storable converts a text to one that PostgreSQL can store, at most 1,000
// bytes.
func storable(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= 1000 {
		return s
	}
	s = s[:1000]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

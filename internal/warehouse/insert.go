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

// insert puts the chunk's rows into events and returns those that weren't
// there. It copies straight, which is fastest, and turns to the way that minds
// conflicts when the copy meets a duplicate.
func (l *load) insert(ctx context.Context, tx pgx.Tx) ([]Row, error) {
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"events"}, eventColumns, l.in)
	if err == nil {
		return l.in.rows, nil
	}
	for l.in.decode() { // what the copy didn't come to
	}
	if sqlState(err) == uniqueViolation || isData(err) {
		if _, err = tx.Exec(ctx, "ROLLBACK TO SAVEPOINT copy"); err == nil {
			return l.insertSafely(ctx, tx, l.in.rows)
		}
	}
	return nil, fmt.Errorf("copy %d events: %w", len(l.in.rows), err)
}

// insertSafely inserts what isn't there. An error of the data is halved down
// to its event, which is then refused.
func (l *load) insertSafely(ctx context.Context, tx pgx.Tx, rows []Row) (inserted []Row, err error) {
	err = savepoint(ctx, tx, func(tx pgx.Tx) error {
		inserted, err = l.insertRows(ctx, tx, rows)
		return err
	})
	switch {
	case err == nil:
		return inserted, nil
	case !isData(err):
		return nil, fmt.Errorf("insert %d events: %w", len(rows), err)
	case len(rows) == 1:
		r := rows[0]
		l.refused = append(l.refused, Bad{Record: r.Record, Seq: r.Seq, I: r.I, Reason: "database: " + err.Error()})
		return nil, nil
	}
	first, err := l.insertSafely(ctx, tx, rows[:len(rows)/2])
	if err != nil {
		return nil, err
	}
	second, err := l.insertSafely(ctx, tx, rows[len(rows)/2:])
	if err != nil {
		return nil, err
	}
	return append(first, second...), nil
}

// savepoint runs work so that its failure leaves the transaction usable.
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

func (l *load) insertRows(ctx context.Context, tx pgx.Tx, rows []Row) ([]Row, error) {
	n := len(rows)
	ids, users, types := make([][16]byte, n), make([]string, n), make([]string, n)
	times, properties, received, arrived := make([]time.Time, n), make([]string, n), make([]time.Time, n), make([]time.Time, n)
	lines := make([]int64, n)
	for i, r := range rows {
		lines[i] = LineHash(l.Shard, r.Seq, r.I)
		ids[i], users[i], types[i] = r.Event.ID, r.Event.UserID, r.Event.Type
		times[i], properties[i], received[i], arrived[i] = r.Event.Timestamp, string(r.Event.Properties), r.ReceivedAt, r.ArrivedAt
	}
	answer, err := tx.Query(ctx, `
		INSERT INTO events (event_id, user_id, event_type, timestamp, properties, received_at, arrived_at, line, source)
		SELECT u.*, $9 FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[], $6::timestamptz[], $7::timestamptz[], $8::bigint[]) u
		ON CONFLICT (event_id, timestamp) DO NOTHING
		RETURNING event_id, timestamp`, ids, users, types, times, properties, received, arrived, lines, textOrNull(l.Source))
	if err != nil {
		return nil, err
	}
	fresh := make(map[identity]struct{}, n)
	var id [16]byte
	var at time.Time
	_, err = pgx.ForEachRow(answer, []any{&id, &at}, func() error {
		fresh[identity{id, at.UnixMicro()}] = struct{}{}
		return nil
	})
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

// storable makes any text one that PostgreSQL stores, at most 1,000 bytes.
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

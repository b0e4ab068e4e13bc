package warehouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// skewWindow is how far the times of two attempts to send one event may differ.
const skewWindow = 48 * time.Hour

// sameEvents finds rows that are stored with another time already: a row of a client
// with a wrong clock may be, and any row may be one of skewed_event. It first inserts the
// skewed rows there, in the order of their ids: a load that inserts the same id waits for
// this one, so that not both insert the event. It returns the rows to insert; the others
// are duplicates.
func (l *load) sameEvents(ctx context.Context, tx pgx.Tx, rows []Row) ([]Row, error) {
	rows = firstOfEach(rows)
	var ids [][16]byte
	var times []time.Time
	var skewed []bool
	for _, r := range rows {
		if !r.Skewed && r.Event.ID.Version() != 5 {
			continue // such an id is not from a message
		}
		ids, times, skewed = append(ids, r.Event.ID), append(times, r.Event.Timestamp), append(skewed, r.Skewed)
	}
	if len(ids) == 0 {
		return rows, nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO public.skewed_event (event_id, timestamp)
		SELECT u.id, u.at FROM unnest($1::uuid[], $2::timestamptz[], $3::boolean[]) AS u(id, at, skewed) WHERE u.skewed ORDER BY u.id
		ON CONFLICT DO NOTHING`, ids, times, skewed)
	if err != nil {
		return nil, fmt.Errorf("note events of clients with a wrong clock: %w", err)
	}
	answer, err := tx.Query(ctx, `SELECT u.id FROM unnest($1::uuid[], $2::timestamptz[], $3::boolean[]) AS u(id, at, skewed)
		WHERE u.skewed AND EXISTS (SELECT FROM public.events e WHERE e.event_id = u.id AND e.timestamp BETWEEN u.at - $4::interval AND u.at + $4::interval AND e.timestamp <> u.at)
		   OR EXISTS (SELECT FROM public.skewed_event s WHERE s.event_id = u.id AND s.timestamp <> u.at AND s.timestamp BETWEEN u.at - $4::interval AND u.at + $4::interval)`,
		ids, times, skewed, skewWindow)
	if err != nil {
		return nil, fmt.Errorf("look for events with another time: %w", err)
	}
	known, err := pgx.CollectRows(answer, pgx.RowTo[[16]byte])
	if err != nil {
		return nil, fmt.Errorf("look for events with another time: %w", err)
	}
	stored := make(map[[16]byte]bool, len(known))
	for _, id := range known {
		stored[id] = true
	}
	return slices.DeleteFunc(rows, func(r Row) bool { return stored[r.Event.ID] }), nil
}

// firstOfEach returns the rows without those that are another attempt of an earlier one.
func firstOfEach(rows []Row) []Row {
	type attempt struct {
		at     time.Time
		skewed bool
	}
	seen := map[[16]byte]attempt{}
	out := make([]Row, 0, len(rows))
	for _, r := range rows {
		before, again := seen[r.Event.ID]
		if again && (before.skewed || r.Skewed) && r.Event.Timestamp.Sub(before.at).Abs() <= skewWindow {
			continue
		}
		seen[r.Event.ID] = attempt{r.Event.Timestamp, r.Skewed}
		out = append(out, r)
	}
	return out
}

package warehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ArchivedLine is a line of the archive to compare with the warehouse.
type ArchivedLine struct {
	Shard, Seq string
	I          int
	// ID and Timestamp are the event's identity; zero for a line that is not a
	// valid event and must be in quarantine.
	ID        [16]byte
	Timestamp time.Time
	// Skewed is Row.Skewed.
	Skewed bool
}

// HourState is the result of comparing an hour of arrival.
type HourState struct {
	Hour time.Time
	// Since is when the hour was first compared.
	Since time.Time
	Lines int64
	// Missing is the number of archived lines that are neither in events nor in
	// quarantine nor below the floor; Unarchived is the number of rows of
	// events without an archived line.
	Missing, Unarchived int64
}

// Clean reports whether archive and warehouse match.
func (h HourState) Clean() bool { return h.Missing == 0 && h.Unarchived == 0 }

// UnreconciledHours returns up to limit hours of arrival, starting with oldest
// and ended by newest, that must be compared: first those never compared, then
// those that differed when they were last compared, before recheckBefore.
func (d *DB) UnreconciledHours(ctx context.Context, oldest, newest, recheckBefore time.Time, limit int) (hours []time.Time, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
			SELECT h FROM generate_series(date_trunc('hour', $1::timestamptz), $2::timestamptz - interval '1 hour', interval '1 hour') h
			LEFT JOIN public.reconciled_hour r ON r.hour = h
			WHERE r.hour IS NULL OR (r.missing > 0 OR r.unarchived > 0) AND r.checked_at < $3
			ORDER BY r.checked_at NULLS FIRST, h LIMIT $4`, oldest, newest, recheckBefore, limit)
		if err != nil {
			return err
		}
		hours, err = pgx.CollectRows(rows, pgx.RowTo[time.Time])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list hours to compare: %w", err)
	}
	return hours, nil
}

// FirstArrival returns when the oldest event loaded from the stack's own stream
// arrived, according to the recorded batches and hours; ok is false if nothing
// is recorded.
func (d *DB) FirstArrival(ctx context.Context) (at time.Time, ok bool, err error) {
	var first *time.Time
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT least((SELECT min(arrived) FROM public.load_batch), (SELECT min(hour) FROM public.reconciled_hour))").Scan(&first)
	})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("read first arrival: %w", err)
	}
	if first == nil {
		return time.Time{}, false, nil
	}
	return first.UTC(), true, nil
}

// ComparedObjects returns the archive objects of an hour that were compared
// without missing lines and need not be read again. While rows are unarchived,
// an object with a line that no row was made of is read again: the line may
// have been loaded since.
func (d *DB) ComparedObjects(ctx context.Context, hour time.Time) (keys map[string]bool, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT key FROM public.reconciled_object WHERE hour = $1 AND missing = 0
			AND (matched = lines OR NOT EXISTS (SELECT FROM public.reconciled_hour h WHERE h.hour = $1 AND unarchived > 0))`, hour)
		if err != nil {
			return err
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[string])
		keys = make(map[string]bool, len(list))
		for _, key := range list {
			keys[key] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read compared objects: %w", err)
	}
	return keys, nil
}

// CompareObject compares the lines of an archive object, without repeats, with
// the warehouse and records the result. Run it as streamctl_owner.
func (d *DB) CompareObject(ctx context.Context, hour time.Time, key string, lines []ArchivedLine) error {
	n := len(lines)
	shards, seqs, is, hashes := make([]string, n), make([]string, n), make([]int32, n), make([]int64, n)
	ids, times, skewed := make([]*[16]byte, n), make([]*time.Time, n), make([]bool, n)
	for i := range lines {
		l := &lines[i]
		shards[i], seqs[i], is[i], hashes[i] = l.Shard, l.Seq, int32(l.I), LineHash(l.Shard, l.Seq, l.I)
		if !l.Timestamp.IsZero() {
			ids[i], times[i], skewed[i] = &l.ID, &l.Timestamp, l.Skewed
		}
	}
	err := d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `
				WITH line AS (
					SELECT l.*, e.event_id, e.line AS made
					FROM unnest($3::text[], $4::text[], $5::int[], $6::bigint[], $7::uuid[], $8::timestamptz[], $9::boolean[]) AS l(shard, seq, i, hash, id, at, skewed)
					LEFT JOIN public.events e ON e.event_id = l.id AND e.timestamp = l.at),
				found AS (
					SELECT count(*) AS lines,
					       count(*) FILTER (WHERE made = hash) AS matched,
					       count(*) FILTER (WHERE event_id IS NULL
					           AND NOT (skewed AND EXISTS (SELECT FROM public.events o WHERE o.event_id = line.id AND o.timestamp BETWEEN line.at - $10::interval AND line.at + $10::interval))
					           AND NOT EXISTS (SELECT FROM public.skewed_event s WHERE s.event_id = line.id AND s.timestamp BETWEEN line.at - $10::interval AND line.at + $10::interval)
					           AND NOT EXISTS (SELECT FROM public.quarantine q WHERE q.shard = line.shard AND q.seq = line.seq AND q.i = line.i AND q.retried_at IS NULL)
					           AND NOT coalesce(line.at < (SELECT floor FROM public.events_floor), false)) AS missing
					FROM line)
				INSERT INTO public.reconciled_object (key, hour, lines, missing, matched)
				SELECT $1, $2, lines, missing, matched FROM found
				ON CONFLICT (key) DO UPDATE SET lines = excluded.lines, missing = excluded.missing, matched = excluded.matched`,
				key, hour, shards, seqs, is, hashes, ids, times, skewed, skewWindow)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("compare %s: %w", key, err)
	}
	return nil
}

// ErrNotCompared means that results of an hour's objects are missing, because
// another task closed the hour or loaded events of it meanwhile.
var ErrNotCompared = errors.New("not every object is compared")

// CloseHour combines the results of the hour's objects, all of which must have
// been compared, and returns the hour's state. keys are the existing objects;
// results of other objects are deleted. Run it as streamctl_owner.
func (d *DB) CloseHour(ctx context.Context, hour time.Time, keys []string) (h HourState, err error) {
	if keys == nil {
		keys = []string{}
	}
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return asTables(ctx, conn, func(tx pgx.Tx) error {
			h = HourState{Hour: hour}
			var compared int
			err := tx.QueryRow(ctx, `
				SELECT count(*), coalesce(sum(lines), 0)::bigint, coalesce(sum(missing), 0)::bigint,
				       (SELECT count(*) FROM public.events WHERE arrived_at >= $1 AND arrived_at < $1 + interval '1 hour' AND source IS NULL) - coalesce(sum(matched), 0)::bigint
				FROM public.reconciled_object WHERE hour = $1 AND key = ANY($2)`, hour, keys).Scan(&compared, &h.Lines, &h.Missing, &h.Unarchived)
			if err != nil {
				return err
			}
			if compared != len(keys) {
				return fmt.Errorf("%w: %d of %d objects", ErrNotCompared, compared, len(keys))
			}
			err = tx.QueryRow(ctx, `INSERT INTO public.reconciled_hour AS r (hour, lines, missing, unarchived) VALUES ($1, $2, $3, $4)
				ON CONFLICT (hour) DO UPDATE SET checked_at = now(), lines = excluded.lines, missing = excluded.missing, unarchived = excluded.unarchived
				RETURNING since`, hour, h.Lines, h.Missing, h.Unarchived).Scan(&h.Since)
			if err != nil || !h.Clean() {
				return err
			}
			_, err = tx.Exec(ctx, "DELETE FROM public.reconciled_object WHERE hour = $1", hour)
			return err
		})
	})
	if err != nil {
		return HourState{}, fmt.Errorf("compare hour %s: %w", hour.Format(time.RFC3339), err)
	}
	return h, nil
}

// Unreconciled counts the cases that need attention: hours of arrival in which
// archive and warehouse differ, if the difference is at least 6 hours old and
// loading has passed the hour (or is a day old in any case); hours that have
// not been compared for 8 hours; and days that retention keeps because they may
// not be archived.
func (d *DB) Unreconciled(ctx context.Context, now time.Time) (n int, err error) {
	err = d.do(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT
			(SELECT count(*) FROM public.reconciled_hour WHERE (missing > 0 OR unarchived > 0)
				AND (since <= $1::timestamptz - interval '6 hours' AND hour + interval '1 hour' <= (SELECT max(arrived) FROM public.load_batch) OR since <= $1::timestamptz - interval '1 day'))
			+ (SELECT count(*) FROM generate_series(
				(SELECT date_trunc('hour', min(arrived)) FROM public.load_batch), $1::timestamptz - interval '9 hours', interval '1 hour') AS h
				WHERE NOT EXISTS (SELECT FROM public.reconciled_hour WHERE hour = h))
			+ (SELECT count(*) FROM pg_class, public.events_floor WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
				AND relname ~ '^events_[0-9]{8}$' AND to_date(substr(relname, 8), 'YYYYMMDD') + 1 <= floor AT TIME ZONE 'UTC')`, now).Scan(&n)
	})
	if err != nil {
		return 0, fmt.Errorf("count unreconciled hours: %w", err)
	}
	return n, nil
}

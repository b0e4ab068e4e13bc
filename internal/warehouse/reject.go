package warehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
)

// suspect is a row that failed alone, with its first error.
type suspect struct {
	row Row
	err error
}

// insertSafely inserts the rows that are not stored yet. It isolates failing
// rows by bisection, and rejects a row only if it fails again alone after a
// known-good row of the same day was loaded: a schema fault that is repaired in
// the meantime never rejects a row.
func (l *load) insertSafely(ctx context.Context, tx pgx.Tx, rows []Row) ([]Row, error) {
	if l.timeouts != nil {
		rows = l.resume(rows)
		if err := l.checkLimit(); err != nil {
			return nil, err
		}
	}
	// A stored row may violate a constraint that was added later. It is a
	// duplicate.
	stored, err := l.readBack(ctx, tx, rows)
	if err != nil {
		return nil, fmt.Errorf("look for duplicates: %w", err)
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { _, ok := stored[r.identity()]; return ok })
	inserted, _, err := l.bisect(ctx, tx, rows)
	if err != nil || len(l.suspects)+len(l.dropped) == 0 {
		return inserted, errors.Join(err, l.restorePace(ctx, tx, err))
	}
	if err := l.prove(ctx, tx, inserted); err != nil {
		return nil, err
	}
	for _, s := range l.suspects {
		again, err := l.retry(ctx, tx, s)
		if err != nil {
			return nil, err
		}
		inserted = append(inserted, again...)
	}
	return inserted, l.restorePace(ctx, tx, nil)
}

// bisect inserts rows and halves failing ones down to single suspects; failed
// reports that every row is a suspect. If all rows of the first half failed, it
// tries the rows of the second half one by one: if they fail as well, halving
// would try each row at every level.
func (l *load) bisect(ctx context.Context, tx pgx.Tx, rows []Row) (inserted []Row, failed bool, err error) {
	if len(rows) == 0 {
		return nil, false, nil
	}
	inserted, err = l.try(ctx, tx, rows)
	if err == nil {
		return inserted, false, nil
	}
	if err := l.attributable(ctx, tx, err, len(rows)); err != nil {
		return nil, false, err
	}
	if len(rows) == 1 {
		return nil, true, l.suspect(rows[0], err)
	}
	inserted, failed, err = l.bisect(ctx, tx, rows[:len(rows)/2])
	if err != nil {
		return nil, false, err
	}
	rest, size := rows[len(rows)/2:], len(rows)
	if failed {
		size = 1
	}
	for len(rest) > 0 {
		n := min(size, len(rest))
		more, alsoFailed, err := l.bisect(ctx, tx, rest[:n])
		if err != nil {
			return nil, false, err
		}
		inserted, failed, rest = append(inserted, more...), failed && alsoFailed, rest[n:]
	}
	return inserted, failed, nil
}

// attributable returns nil if a row may have caused the error, and otherwise
// the error that ends the load.
func (l *load) attributable(ctx context.Context, tx pgx.Tx, err error, rows int) error {
	if !mayBeTheData(err) || l.isFirstTimeout(err) {
		return fmt.Errorf("insert %d events: %w", rows, err)
	}
	if sqlState(err) == checkViolation && !l.daysChecked {
		l.daysChecked = true
		days, daysErr := missingDays(ctx, tx, l.in.rows)
		if daysErr != nil || len(days) > 0 {
			return errors.Join(&missingDaysError{days: days, err: err}, daysErr)
		}
	}
	return nil
}

// suspect adds a row to the suspects.
func (l *load) suspect(row Row, err error) error {
	l.suspects = append(l.suspects, suspect{row, err})
	return l.checkLimit()
}

// checkLimit ends the load if there are too many suspects, because then the
// schema is probably at fault: the chunk waits.
func (l *load) checkLimit() error {
	limit := max(10, l.in.events/10)
	if l.RejectAll || len(l.suspects) <= limit {
		return nil
	}
	return fmt.Errorf("%w: more than %d of %d; they wait until the oldest record is %s old; the first one: %s",
		ErrTooManyRejected, limit, l.in.events, RejectAfter, explain(l.suspects[0].err))
}

// retry tries a suspect again, alone, and rejects it if it fails.
func (l *load) retry(ctx context.Context, tx pgx.Tx, s suspect) ([]Row, error) {
	if l.timeouts == nil || !l.timeouts.twice(s.row) {
		inserted, err := l.try(ctx, tx, []Row{s.row})
		if err == nil {
			return inserted, nil
		}
		if err := l.attributable(ctx, tx, err, 1); err != nil {
			return nil, err
		}
		s.err = err
	}
	l.rejected = append(l.rejected, Rejected{Record: s.row.Record, Seq: s.row.Seq, I: s.row.I, Reason: "rejected by the database: " + explain(s.err)})
	return nil, nil
}

// try inserts rows in a savepoint, so that a failure leaves the transaction
// usable.
func (l *load) try(ctx context.Context, tx pgx.Tx, rows []Row) (inserted []Row, err error) {
	var dropped []Rejected
	err = savepoint(ctx, tx, func(tx pgx.Tx) error {
		inserted, dropped, err = l.insertOnce(ctx, tx, rows)
		return err
	})
	if err != nil {
		if len(rows) == 1 && l.timeouts != nil && sqlState(err) == queryCanceled {
			l.timeouts.failed[rows[0].identity()]++
		}
		return nil, err
	}
	l.dropped = append(l.dropped, dropped...)
	return inserted, nil
}

// insertOnce inserts rows in the way that the operator's objects require.
func (l *load) insertOnce(ctx context.Context, tx pgx.Tx, rows []Row) (inserted []Row, dropped []Rejected, err error) {
	if err := l.setPace(ctx, tx, len(rows)); err != nil {
		return nil, nil, err
	}
	if l.objects.present() {
		return l.insertGuarded(ctx, tx, rows)
	}
	inserted, err = l.insertRows(ctx, tx, rows)
	return inserted, nil, err
}

// prove loads and rolls back a known-good row for each day with a suspect or a
// dropped row. If the database rejects or drops it too, the rows are not at
// fault.
func (l *load) prove(ctx context.Context, tx pgx.Tx, inserted []Row) error {
	proven := map[time.Time]bool{}
	doubted := slices.Clone(l.suspects)
	for _, d := range l.dropped {
		i := slices.IndexFunc(l.in.rows, func(r Row) bool { return r.Record == d.Record && r.I == d.I })
		doubted = append(doubted, suspect{l.in.rows[i], &rowError{d.Reason}})
	}
	for _, s := range doubted {
		of := day(s.row.Event.Timestamp)
		if proven[of] {
			continue
		}
		proven[of] = true
		if err := l.proveDay(ctx, tx, inserted, s); err != nil {
			return err
		}
	}
	return nil
}

// proveDay tries copies of several rows until one loads: a row of the chunk
// that was inserted, the newest stored event of the day, the newest stored
// event, and a plain event, which may itself violate an operator's constraint.
func (l *load) proveDay(ctx context.Context, tx pgx.Tx, inserted []Row, s suspect) error {
	of := day(s.row.Event.Timestamp)
	candidates := []func() (Row, bool, error){
		func() (Row, bool, error) {
			for _, r := range inserted {
				if day(r.Event.Timestamp).Equal(of) {
					return r, true, nil
				}
			}
			return Row{}, false, nil
		},
		func() (Row, bool, error) { return newestEvent(ctx, tx, of, of.AddDate(0, 0, 1)) },
		func() (Row, bool, error) {
			r, ok, err := newestEvent(ctx, tx, time.Time{}, time.Time{})
			r.Event.Timestamp = s.row.Event.Timestamp
			return r, ok, err
		},
		func() (Row, bool, error) {
			plain := event.Event{UserID: "user-" + uuid.NewString(), Type: "type", Timestamp: s.row.Event.Timestamp, Properties: []byte("{}")}
			return Row{Event: plain, ReceivedAt: s.row.ReceivedAt, ArrivedAt: s.row.ArrivedAt}, true, nil
		},
	}
	var rejections []error
	for _, candidate := range candidates {
		row, ok, err := candidate()
		if err != nil {
			return fmt.Errorf("find a known-good event: %w", err)
		}
		if !ok {
			continue
		}
		if err = l.proveRow(ctx, tx, row); err == nil {
			return nil
		}
		if !mayBeTheData(err) {
			return fmt.Errorf("try a known-good event: %w", err)
		}
		rejections = append(rejections, err)
	}
	return fmt.Errorf("%w: %w; events of the chunk failed with: %s", ErrSchemaRejects, rejections[0], explain(s.err))
}

// proveRow loads a copy of a row with a new id, and rolls it back.
func (l *load) proveRow(ctx context.Context, tx pgx.Tx, row Row) error {
	row.Event.ID, row.Seq, row.I = uuid.New(), "proof", 0
	return trial(ctx, tx, func(tx pgx.Tx) error {
		inserted, _, err := l.insertOnce(ctx, tx, []Row{row})
		if err == nil && len(inserted) == 0 {
			err = &rowError{l.objects.dropReason()}
		}
		return err
	})
}

// newestEvent reads the newest stored event of a time range, or of all events
// if the range is zero.
func newestEvent(ctx context.Context, tx pgx.Tx, from, to time.Time) (r Row, ok bool, err error) {
	where, args := "", []any(nil)
	if !from.IsZero() {
		where, args = "WHERE timestamp >= $1 AND timestamp < $2", []any{from, to}
	}
	var properties []byte
	err = tx.QueryRow(ctx, `SELECT user_id, event_type, timestamp, properties, received_at, arrived_at
		FROM public.events `+where+` ORDER BY timestamp DESC LIMIT 1`, args...).
		Scan(&r.Event.UserID, &r.Event.Type, &r.Event.Timestamp, &properties, &r.ReceivedAt, &r.ArrivedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Row{}, false, nil
	}
	r.Event.Properties = properties
	return r, err == nil, err
}

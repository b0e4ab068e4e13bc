package warehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// pace holds the timeouts of the statements that isolate slow rows.
type pace struct {
	// row is the timeout for one row, perRow is added for each further row,
	// group is the maximum.
	row, perRow, group time.Duration
	// lock is shorter than row, so that a row never seems slow because another
	// transaction holds a lock; a lock timeout ends the load.
	lock time.Duration
	// budget limits the isolation in one call: together with the proof and the
	// rest of the load it fits into the function's timeout.
	budget time.Duration
}

func defaultPace() pace {
	return pace{row: 500 * time.Millisecond, perRow: 2 * time.Millisecond, group: 5 * time.Second, lock: 250 * time.Millisecond, budget: 35 * time.Second}
}

// timeouts records across calls which rows of a chunk timed out alone: one call
// does not have enough time for many slow rows.
type timeouts struct {
	firstSeq string
	failed   map[identity]int // number of timeouts
	began    time.Time        // when this call's isolation began
}

// twice reports whether a row has timed out alone twice.
func (t *timeouts) twice(r Row) bool { return t.failed[r.identity()] >= 2 }

// errSlowRows means that the next call continues to isolate slow rows.
var errSlowRows = errors.New("not enough time to isolate slow events; the next call continues")

// timeoutsOf returns a chunk's recorded timeouts; nil if there were none.
func (d *DB) timeoutsOf(c Chunk) *timeouts {
	t := d.timeouts[c.Shard]
	if t == nil || t.firstSeq != c.FirstSeq {
		return nil
	}
	t.began = time.Now()
	return t
}

// rememberTimeouts records the timeouts for the next call. A chunk that was
// loaded, and a database that is slow even for known-good events, start over
// with COPY.
func (d *DB) rememberTimeouts(c Chunk, t *timeouts, err error) {
	if err == nil || t == nil || errors.Is(err, ErrSchemaRejects) {
		delete(d.timeouts, c.Shard)
		return
	}
	if d.timeouts == nil {
		d.timeouts = map[string]*timeouts{}
	}
	d.timeouts[c.Shard] = t
}

// isFirstTimeout reports whether an error is the chunk's first statement
// timeout. It ends the load, because the database may just be slow. From
// the second one on, slow rows are isolated.
func (l *load) isFirstTimeout(err error) bool {
	if sqlState(err) != queryCanceled || l.timeouts != nil {
		return false
	}
	l.timeouts = &timeouts{firstSeq: l.FirstSeq, failed: map[identity]int{}}
	return true
}

// resume makes suspects of the rows that timed out alone in earlier calls, and
// returns the other rows.
func (l *load) resume(rows []Row) (others []Row) {
	for _, r := range rows {
		if l.timeouts.failed[r.identity()] > 0 {
			l.suspects = append(l.suspects, suspect{r, &rowError{"statement timeout (SQLSTATE " + queryCanceled + ")"}})
			continue
		}
		others = append(others, r)
	}
	return others
}

// setPace sets the timeouts for a statement with this number of rows, if the
// chunk has timed out before.
func (l *load) setPace(ctx context.Context, tx pgx.Tx, rows int) error {
	if l.timeouts == nil {
		return nil
	}
	if time.Since(l.timeouts.began) > l.pace.budget {
		return errSlowRows
	}
	return setTimeouts(ctx, tx, min(l.pace.row+time.Duration(rows-1)*l.pace.perRow, l.pace.group), l.pace.lock)
}

// restorePace restores the normal timeouts after setPace, unless the load
// failed.
func (l *load) restorePace(ctx context.Context, tx pgx.Tx, err error) error {
	if l.timeouts == nil || err != nil {
		return nil
	}
	if err := setTimeouts(ctx, tx, loadTimeout, loadLockTimeout); err != nil {
		return fmt.Errorf("restore timeouts: %w", err)
	}
	return nil
}

func setTimeouts(ctx context.Context, tx pgx.Tx, statement, lock time.Duration) error {
	_, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true)", millis(statement), millis(lock))
	return err
}

package warehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// pace has the timeouts of the statements that isolate slow rows.
type pace struct {
	// row is the time of one row, perRow of each further one, group of any number.
	row, perRow, group time.Duration
	// lock is less than row, so that the holder of a lock, which ends the load,
	// never makes a row look slow.
	lock time.Duration
	// budget bounds the isolation in one call: with the proof and the rest of the
	// load it fits into the function's timeout.
	budget time.Duration
}

func defaultPace() pace {
	return pace{row: 500 * time.Millisecond, perRow: 2 * time.Millisecond, group: 5 * time.Second, lock: 250 * time.Millisecond, budget: 35 * time.Second}
}

// timeouts remembers, from call to call, which rows of a chunk timed out alone:
// one call has no time for many slow rows.
type timeouts struct {
	firstSeq string
	failed   map[identity]int // how often
	began    time.Time        // this call's isolation
}

// twice reports whether a row has timed out alone often enough.
func (t *timeouts) twice(r Row) bool { return t.failed[r.identity()] >= 2 }

// errSlowRows means that the next call continues to isolate slow rows.
var errSlowRows = errors.New("no time left to isolate slow events, the next call continues")

// timeoutsOf returns what is remembered of a chunk; nil without a timeout.
func (d *DB) timeoutsOf(c Chunk) *timeouts {
	t := d.timeouts[c.Shard]
	if t == nil || t.firstSeq != c.FirstSeq {
		return nil
	}
	t.began = time.Now()
	return t
}

// rememberTimeouts keeps them for the next call. A chunk that was loaded, and a
// database that is slow for known-good events too, begin again with a copy.
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

// isFirstTimeout reports a statement timeout that is the chunk's first. It ends
// the load: the database may just be slow. From the second one on the rows are
// isolated.
func (l *load) isFirstTimeout(err error) bool {
	if sqlState(err) != queryCanceled || l.timeouts != nil {
		return false
	}
	l.timeouts = &timeouts{firstSeq: l.FirstSeq, failed: map[identity]int{}}
	return true
}

// resume makes suspects of the rows that timed out alone in earlier calls, and
// returns the others.
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

// setPace gives the next statement the time that so many rows may take, if the
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

// restorePace ends the short timeouts of setPace, unless the load failed.
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

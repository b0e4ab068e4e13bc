package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Archive lists and reads the objects to compare with the warehouse;
// archive.Reader satisfies it.
type Archive interface {
	Objects(ctx context.Context, hour time.Time) ([]archive.Stored, error)
	Records(context.Context, archive.Stored) ([]archive.ArchivedRecord, error)
}

// Hours are the hours of arrival whose events are compared with the archive;
// *warehouse.DB satisfies it.
type Hours interface {
	FirstArrival(context.Context) (at time.Time, ok bool, err error)
	UnreconciledHours(ctx context.Context, oldest, newest, recheckBefore time.Time, limit int) ([]time.Time, error)
	ComparedObjects(ctx context.Context, hour time.Time) (keys map[string]bool, err error)
	CompareObject(ctx context.Context, hour time.Time, key string, lines []warehouse.ArchivedLine) error
	CloseHour(ctx context.Context, hour time.Time, keys []string) (warehouse.HourState, error)
	// Unreconciled returns how many hours are overdue.
	Unreconciled(ctx context.Context, now time.Time) (int, error)
}

// Ledger lists the results of comparisons; *warehouse.DB satisfies it.
type Ledger interface {
	Ledger(ctx context.Context, from, to time.Time) ([]warehouse.LedgerHour, error)
	CompareAgain(ctx context.Context, hour time.Time) error
}

const (
	// closedAfter is the time from the end of an hour of arrival to its first
	// comparison.
	closedAfter = 2 * time.Hour
	// recheckAfter is the time after which an hour that differs is compared
	// again: at the next hourly run, which may be a little early.
	recheckAfter = 50 * time.Minute
	// hoursAtOnce is the maximum number of hours per run.
	hoursAtOnce = 200
	// comparing is the part of the invocation's time in which no new object is
	// started.
	comparing = time.Minute
)

// errNoTime means that the next run continues.
var errNoTime = errors.New("out of time")

// reconcile compares hours of arrival with the archive, object by object. Each
// object's result is recorded, so that the next run resumes where time ran out.
func (h *Handler) reconcile(ctx context.Context) error {
	now := h.Clock.Now()
	first, ok, err := h.Warehouse.Hours.FirstArrival(ctx)
	if err != nil || !ok {
		return err
	}
	hours, err := h.Warehouse.Hours.UnreconciledHours(ctx, first, now.Add(-closedAfter), now.Add(-recheckAfter), hoursAtOnce)
	if err != nil {
		return err
	}
	for _, hour := range hours {
		state, err := h.compareHour(ctx, hour)
		if errors.Is(err, errNoTime) {
			h.Log.WarnContext(ctx, "out of time", "hour", hour)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reconcile hour %s: %w", hour.Format(time.RFC3339), err)
		}
		if !state.Clean() {
			h.Log.WarnContext(ctx, "archive and warehouse differ", "hour", hour, "since", state.Since,
				"lines", state.Lines, "missing", state.Missing, "unarchived", state.Unarchived)
		}
	}
	h.Log.InfoContext(ctx, "hours compared", "hours", len(hours))
	return nil
}

// compareTries is how often an hour is compared while another task closes it or
// loads events of it.
const compareTries = 3

// compareHour compares an hour. The error is errNoTime if ctx ends within
// comparing.
func (h *Handler) compareHour(ctx context.Context, hour time.Time) (state warehouse.HourState, err error) {
	for range compareTries {
		if state, err = h.compareObjects(ctx, hour); !errors.Is(err, warehouse.ErrNotCompared) {
			break
		}
	}
	return state, err
}

func (h *Handler) compareObjects(ctx context.Context, hour time.Time) (warehouse.HourState, error) {
	objects, err := h.Archive.Objects(ctx, hour)
	if err != nil {
		return warehouse.HourState{}, err
	}
	compared, err := h.Warehouse.Hours.ComparedObjects(ctx, hour)
	if err != nil {
		return warehouse.HourState{}, err
	}
	keys := make([]string, len(objects))
	for i, o := range objects {
		// An object contributes other lines if an earlier object appears later.
		keys[i] = o.Key + " after " + o.After
		if compared[keys[i]] {
			continue
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < comparing {
			return warehouse.HourState{}, errNoTime
		}
		records, err := h.Archive.Records(ctx, o)
		if err != nil {
			return warehouse.HourState{}, err
		}
		if err := h.Warehouse.Hours.CompareObject(ctx, hour, keys[i], Lines(records, h.env.StreamFormats)); err != nil {
			return warehouse.HourState{}, err
		}
	}
	return h.Warehouse.Hours.CloseHour(ctx, hour, keys)
}

// Lines returns the lines of records, with the identity of the event in each.
func Lines(records []archive.ArchivedRecord, formats []string) []warehouse.ArchivedLine {
	var all []warehouse.ArchivedLine
	for _, r := range records {
		for i, text := range event.Lines(r.Data) {
			l := warehouse.ArchivedLine{Shard: r.Shard, Seq: r.Sequence, I: i}
			if e, err := chunk.DecodeLine(archive.Line{ArchivedRecord: r, I: i, Bytes: text}, formats); err == nil {
				l.ID, l.Timestamp, l.Skewed = e.Event.ID, e.Event.Timestamp, e.Skewed()
			}
			all = append(all, l)
		}
	}
	return all
}

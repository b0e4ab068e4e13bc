package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Archive is what the warehouse is compared with; archive.Reader is one.
type Archive interface {
	Objects(ctx context.Context, hour time.Time) ([]archive.Stored, error)
	Records(context.Context, archive.Stored) ([]archive.Record, error)
}

const (
	// settled is how long an hour of arrival is over when it is compared first.
	settled = 2 * time.Hour
	// again is after what time an hour that differs is compared again: at the
	// next turn of the hourly task, which may be a little early.
	again = 50 * time.Minute
	// hoursAtOnce bounds one turn.
	hoursAtOnce = 200
	// comparing is kept of the invocation's time: an object isn't begun later.
	comparing = time.Minute
)

// errNoTime says that the rest is for the next turn.
var errNoTime = errors.New("out of time")

// reconcile compares hours of arrival with the archive, object by object. What
// an object had is noted, so that the next turn goes on where time ran out.
func (h *Handler) reconcile(ctx context.Context) error {
	now := h.Now()
	first, ok, err := h.Warehouse.FirstArrival(ctx)
	if err != nil || !ok {
		return err
	}
	hours, err := h.Warehouse.UncleanHours(ctx, first, now.Add(-settled), now.Add(-again), hoursAtOnce)
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

func (h *Handler) compareHour(ctx context.Context, hour time.Time) (warehouse.HourState, error) {
	objects, err := h.Archive.Objects(ctx, hour)
	if err != nil {
		return warehouse.HourState{}, err
	}
	compared, err := h.Warehouse.ComparedObjects(ctx, hour)
	if err != nil {
		return warehouse.HourState{}, err
	}
	keys := make([]string, len(objects))
	for i, o := range objects {
		// An object has other lines to itself when one before it came later.
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
		if err := h.Warehouse.CompareObject(ctx, hour, keys[i], Lines(records)); err != nil {
			return warehouse.HourState{}, err
		}
	}
	return h.Warehouse.CloseHour(ctx, hour, keys)
}

// Lines are those of records, with what identifies the event in each.
func Lines(records []archive.Record) []warehouse.ArchivedLine {
	var all []warehouse.ArchivedLine
	for _, r := range records {
		for i, text := range event.Lines(r.Data) {
			l := warehouse.ArchivedLine{Shard: r.Shard, Seq: r.Sequence, I: i}
			if e, err := event.DecodeEnvelope(text); err == nil {
				l.ID, l.Timestamp = e.Event.ID, e.Event.Timestamp
			}
			all = append(all, l)
		}
	}
	return all
}

// retain drops the days that are over, where their events are known to be
// archived.
func (h *Handler) retain(ctx context.Context) error {
	if h.RetentionDays == 0 {
		return nil
	}
	limit, err := h.retentionLimit()
	if err != nil {
		return err
	}
	done, err := h.Warehouse.DropDays(ctx, limit, h.Pause)
	if len(done.Dropped) > 0 {
		h.Log.InfoContext(ctx, "days dropped", "days", dates(done.Dropped))
	}
	if len(done.Kept) > 0 {
		h.Log.WarnContext(ctx, "days kept, because the archive isn't known to hold them", "days", dates(done.Kept))
	}
	return err
}

// maxRetentionDays is a hundred years. Far larger numbers overflow the calendar,
// and the limit would be a day to come.
const maxRetentionDays = 36_500

// retentionLimit is the time before which events are dropped. It is an error
// unless it lies more than a day in the past.
func (h *Handler) retentionLimit() (time.Time, error) {
	now := h.Now()
	limit := now.AddDate(0, 0, -h.RetentionDays)
	if h.RetentionDays < 1 || h.RetentionDays > maxRetentionDays || limit.After(now.AddDate(0, 0, -1)) {
		return time.Time{}, fmt.Errorf("apply retention: WarehouseRetentionDays %d is outside 1..%d: nothing was dropped", h.RetentionDays, maxRetentionDays)
	}
	return limit, nil
}

func dates(days []time.Time) []string {
	out := make([]string, len(days))
	for i, d := range days {
		out[i] = d.Format(time.DateOnly)
	}
	return out
}

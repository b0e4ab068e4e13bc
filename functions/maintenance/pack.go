package maintenance

import (
	"context"
	"errors"
	"time"

	"github.com/streamctl/streamctl/internal/warehouse"
)

// Sequences are the events of users in blocks; *warehouse.Sequences satisfies it.
type Sequences interface {
	// Pack packs what is due, until more returns false.
	Pack(ctx context.Context, now time.Time, more func() bool) (packed int, err error)
	// Rewrite packs a span, from the table events if fresh is set.
	Rewrite(ctx context.Context, from, to time.Time, fresh bool) error
	// Forget deletes the blocks of a range.
	Forget(ctx context.Context, from, to time.Time) error
	// DropBefore deletes the blocks below the retention floor.
	DropBefore(context.Context) error
}

// packTime is the time in which an invocation begins to pack further spans. The next
// one runs a minute later; both may pack at the same time.
const packTime = 30 * time.Second

// pack packs the events of closed hours and settled days.
func (h *Handler) pack(ctx context.Context) error {
	begun := h.Clock.Now()
	packed, err := h.Warehouse.Sequences.Pack(ctx, begun, func() bool { return h.Clock.Now().Sub(begun) < packTime })
	if packed > 0 {
		h.Log.InfoContext(ctx, "sequences packed", "spans", packed, "seconds", h.Clock.Now().Sub(begun).Seconds())
	}
	return err
}

// repack packs the events of users again, hour by hour, newest first. Settled days are
// joined afterwards by pack.
type repack struct {
	s    *slice
	rest span
	// forgotten is the day whose blocks this invocation has deleted.
	forgotten time.Time
}

func newRepack(ctx context.Context, s *slice) (worker, error) {
	r := &repack{s: s}
	if err := s.cursor(&r.rest); err != nil || !r.rest.To.IsZero() {
		return r, err
	}
	from, to, err := s.rebuildSpan(ctx)
	if err != nil {
		return nil, err
	}
	// Whole days, because a block may have a whole day, but not the current hour.
	from, to = from.Truncate(day), to.Add(day-1).Truncate(day)
	if now := s.Clock.Now().UTC().Truncate(time.Hour); to.After(now) {
		to = now
	}
	if to.Before(from) {
		to = from
	}
	r.rest = span{from, to}
	return r, s.save(ctx, r.rest, func(c map[string]int64) { c[countTotal] = minutes(from, to) })
}

func (r *repack) next(ctx context.Context) (done bool, err error) {
	rest := r.rest
	if !rest.From.Before(rest.To) {
		return true, nil
	}
	from := rest.To.Add(-time.Hour)
	if d := from.Truncate(day); !d.Equal(r.forgotten) {
		if err := r.s.Warehouse.Sequences.Forget(ctx, d, rest.To); err != nil {
			return false, err
		}
		r.forgotten = d
	}
	// If another invocation packs the hour or its day, it began after Forget.
	if err := r.s.Warehouse.Sequences.Rewrite(ctx, from, rest.To, true); err != nil && !errors.Is(err, warehouse.ErrSpanBusy) {
		return false, err
	}
	rest.To = from
	if err := r.s.save(ctx, rest, func(c map[string]int64) { c[countDone] += minutes(from, r.rest.To) }); err != nil {
		return false, err
	}
	r.rest = rest
	return !rest.From.Before(rest.To), nil
}

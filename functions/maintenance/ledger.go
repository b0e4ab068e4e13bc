package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// compareAt is the rest of the hours of a reconciliation. Begun means that the
// results of the first hour's objects are of this job.
type compareAt struct {
	span
	Begun bool `json:"begun,omitempty"`
}

// comparison compares hours with the archive, oldest first.
type comparison struct {
	s  *slice
	at compareAt
	// known are the hours from at.From on, as they were when they were listed.
	known []warehouse.LedgerHour
}

func newComparison(ctx context.Context, s *slice) (worker, error) {
	c := &comparison{s: s}
	if err := s.cursor(&c.at); err != nil || !c.at.To.IsZero() {
		return c, err
	}
	var err error
	if c.at.From, c.at.To, err = s.hourRange(ctx, s.params); err != nil {
		return nil, err
	}
	total := max(0, int64(c.at.To.Sub(c.at.From)/time.Hour))
	return c, s.save(ctx, c.at, func(counts map[string]int64) { counts[countTotal] = total })
}

// hoursListed is how many hours are listed at a time.
const hoursListed = 24 * 14

func (c *comparison) next(ctx context.Context) (done bool, err error) {
	if !c.at.From.Before(c.at.To) {
		return true, nil
	}
	if len(c.known) == 0 {
		end := c.at.From.Add(hoursListed * time.Hour)
		if end.After(c.at.To) {
			end = c.at.To
		}
		if c.known, err = c.s.Warehouse.Ledger.Ledger(ctx, c.at.From, end); err != nil || len(c.known) == 0 {
			return false, errors.Join(err, ctx.Err())
		}
	}
	hour := c.known[0]
	differs, err := c.compare(ctx, hour)
	if errors.Is(err, errNoTime) {
		return false, nil // the slice is over
	}
	if err != nil {
		return false, err
	}
	at := compareAt{span: span{hour.Hour.Add(time.Hour), c.at.To}}
	err = c.s.save(ctx, at, func(counts map[string]int64) {
		counts[countDone]++
		if differs {
			counts[contract.CountDiffering]++
		}
	})
	if err != nil {
		return false, err
	}
	c.at, c.known = at, c.known[1:]
	return !at.From.Before(at.To), nil
}

// compare compares an hour unless it is known to match, and reports whether
// archive and warehouse differ.
func (c *comparison) compare(ctx context.Context, hour warehouse.LedgerHour) (differs bool, err error) {
	if !hour.CheckedAt.IsZero() && hour.Clean() && !c.s.params.Again {
		return false, nil
	}
	if c.s.params.Again && !c.at.Begun {
		if err := c.s.Warehouse.Ledger.CompareAgain(ctx, hour.Hour); err != nil {
			return false, err
		}
		at := c.at
		at.Begun = true
		if err := c.s.save(ctx, at, func(map[string]int64) {}); err != nil {
			return false, err
		}
		c.at = at
	}
	ctx, cancel := context.WithTimeout(ctx, c.s.pace.left()+comparing)
	defer cancel()
	state, err := c.s.compareHour(ctx, hour.Hour)
	if err != nil {
		return false, fmt.Errorf("reconcile hour %s: %w", hour.Hour.Format(time.RFC3339), err)
	}
	return !state.Clean(), nil
}

// ledgerDays is how many days are compared without a given beginning.
const ledgerDays = 7

// hourRange returns the closed hours of a time range. Without a beginning it
// starts at the first arrival, at most ledgerDays ago.
func (h *Handler) hourRange(ctx context.Context, p contract.JobParameters) (from, to time.Time, err error) {
	now := h.Clock.Now().UTC()
	from, to = p.From, p.To
	if from.IsZero() {
		first, ok, err := h.Warehouse.Hours.FirstArrival(ctx)
		if err != nil {
			return from, to, err
		}
		if from = now.AddDate(0, 0, -ledgerDays); !ok || first.After(from) {
			from = first
		}
		if !ok {
			from = now
		}
	}
	// An hour that is not closed always differs.
	if closed := now.Add(-closedAfter); to.IsZero() || to.After(closed) {
		to = closed
	}
	return from.UTC().Truncate(time.Hour), to.UTC().Truncate(time.Hour), nil
}

// listHours returns a page of the ledger.
func (h *Handler) listHours(ctx context.Context, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
	from, to, err := h.hourRange(ctx, task.JobParameters)
	if err != nil {
		return r, err
	}
	if task.After != "" {
		if from, err = time.Parse(time.RFC3339, task.After); err != nil {
			return r, fmt.Errorf("list hours: %w", err)
		}
	}
	end := from.Add(time.Duration(limitOf(task)) * time.Hour)
	if end.Before(to) {
		r.Next = end.Format(time.RFC3339)
		to = end
	}
	if !from.Before(to) {
		return r, nil
	}
	hours, err := h.Warehouse.Ledger.Ledger(ctx, from, to)
	for _, one := range hours {
		r.Hours = append(r.Hours, contract.Hour{Hour: one.Hour, Compared: !one.CheckedAt.IsZero(), CheckedAt: one.CheckedAt,
			Lines: one.Lines, Missing: one.Missing, Unarchived: one.Unarchived})
	}
	return r, err
}

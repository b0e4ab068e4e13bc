package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Commits remember what was surely committed, and when it was known to be.
type Commits struct {
	clock *Clock

	mu      sync.Mutex
	minutes map[minuteKey]map[fieldKey][]commit
	// recounted are the hours in which rows may have become nothing.
	recounted map[int64]bool
}

type minuteKey struct {
	metric string
	at     int64
}

type fieldKey struct {
	dimension string
	slot      int
}

// commit is a revision that was committed before a time.
type commit struct {
	at  time.Time
	rev int64
}

// NewCommits makes an empty memory.
func NewCommits(clock *Clock) *Commits {
	return &Commits{clock: clock, minutes: map[minuteKey]map[fieldKey][]commit{}, recounted: map[int64]bool{}}
}

// Add notes rows that are committed by now.
func (c *Commits) Add(rows []warehouse.MinuteRow) {
	at := c.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range rows {
		m := minuteKey{r.Metric, r.Minute.Unix()}
		if c.minutes[m] == nil {
			c.minutes[m] = map[fieldKey][]commit{}
		}
		f := fieldKey{r.Dimension, r.Slot}
		c.minutes[m][f] = append(c.minutes[m][f], commit{at, r.Rev})
	}
}

// Recounting says that the rows of hours may become nothing from now on.
func (c *Commits) Recounting(from, to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for h := from.Truncate(time.Hour); h.Before(to); h = h.Add(time.Hour) {
		c.recounted[h.Unix()] = true
	}
}

// Behind tells what an answer lacks: for every dimension and slot it must hold
// a revision at least as high as was committed by asOf.
func (c *Commits) Behind(metric string, minute time.Time, rows []warehouse.MinuteRow, asOf time.Time) string {
	have := map[fieldKey]int64{}
	for _, r := range rows {
		have[fieldKey{r.Dimension, r.Slot}] = r.Rev
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	recounted := c.recounted[minute.Truncate(time.Hour).Unix()]
	var lacks []string
	for f, commits := range c.minutes[minuteKey{metric, minute.Unix()}] {
		want := int64(0)
		for _, one := range commits {
			if !one.at.After(asOf) {
				want = max(want, one.rev)
			}
		}
		rev, ok := have[f]
		if rev < want && (ok || !recounted) {
			lacks = append(lacks, fmt.Sprintf("%s/%d has revision %d, want %d", f.dimension, f.slot, rev, want))
		}
	}
	if len(lacks) == 0 {
		return ""
	}
	return fmt.Sprintf("%s at %s as of %s: %s", metric, minute.Format(time.RFC3339), asOf.Format(time.RFC3339Nano), strings.Join(lacks, ", "))
}

// Reader asks as query does: the cache first, then PostgreSQL, which fills the
// cache; and it checks each answer.
type Reader struct {
	Cache   *cache.Cache
	DB      *warehouse.DB
	Commits *Commits
	clock   *Clock

	// Answers counts the minutes that the cache had, Filled those that it had
	// not; Wrong has what was wrong with them.
	Answers, Filled int
	Wrong           []string
}

// Ask reads minutes of a metric. Servers that are away are no error.
func (r *Reader) Ask(ctx context.Context, metric string, minutes []time.Time) error {
	var missing []time.Time
	for _, m := range minutes {
		found, err := r.Cache.Minutes(ctx, metric, []time.Time{m})
		if err != nil || len(found.Missing) > 0 {
			missing = append(missing, m)
			continue
		}
		r.Answers++
		if lacks := r.Commits.Behind(metric, m, found.Rows, found.AsOf); lacks != "" {
			r.Wrong = append(r.Wrong, lacks)
		}
	}
	asked := r.clock.Now()
	rows, err := r.Cache.Fill(ctx, r.DB, metric, missing)
	var write *cache.WriteError
	if err != nil && !errors.As(err, &write) {
		return ctx.Err()
	}
	byMinute := map[int64][]warehouse.MinuteRow{}
	for _, row := range rows {
		byMinute[row.Minute.Unix()] = append(byMinute[row.Minute.Unix()], row)
	}
	for _, m := range missing {
		r.Filled++
		if lacks := r.Commits.Behind(metric, m, byMinute[m.Unix()], asked); lacks != "" {
			r.Wrong = append(r.Wrong, "from PostgreSQL: "+lacks)
		}
	}
	return nil
}

package chaos

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/warehouse"
)

// Commits records data that is known to be committed, and since when.
type Commits struct {
	clock *Clock

	mu      sync.Mutex
	minutes map[minuteKey]map[fieldKey][]commit
	// least is the minimum of a dimension's slots, from a time on.
	least map[minuteKey]map[string][]amount
	// users are the users of a day (YYYYMMDD), with the time when each was
	// first known.
	users map[string]map[string]time.Time
	// recounts are the recounted hours, with the end of the recount; zero while
	// it is running. Their rows may have become empty.
	recounts map[int64]time.Time
}

type minuteKey struct {
	metric string
	at     int64
}

type fieldKey struct {
	dimension string
	slot      int
}

// commit is a revision and its number, committed before a time.
type commit struct {
	at  time.Time
	rev int64
	n   int64
}

type amount struct {
	at time.Time
	n  int64
}

// NewCommits returns an empty record.
func NewCommits(clock *Clock) *Commits {
	return &Commits{
		clock: clock, minutes: map[minuteKey]map[fieldKey][]commit{}, least: map[minuteKey]map[string][]amount{},
		users: map[string]map[string]time.Time{}, recounts: map[int64]time.Time{},
	}
}

// Add records data that is committed now.
func (c *Commits) Add(l warehouse.Loaded) {
	at := c.clock.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range l.Minutes {
		m := minuteKey{r.Metric, r.Minute.Unix()}
		if c.minutes[m] == nil {
			c.minutes[m], c.least[m] = map[fieldKey][]commit{}, map[string][]amount{}
		}
		f := fieldKey{r.Dimension, r.Slot}
		c.minutes[m][f] = append(c.minutes[m][f], commit{at, r.Rev, r.N})
		n := c.sum(m, r)
		if levels := c.least[m][r.Dimension]; len(levels) == 0 || levels[len(levels)-1].n < n {
			c.least[m][r.Dimension] = append(levels, amount{at, n})
		}
	}
	for day, users := range l.Users {
		if c.users[day] == nil {
			c.users[day] = map[string]time.Time{}
		}
		for _, user := range users {
			if _, known := c.users[day][user]; !known {
				c.users[day][user] = at
			}
		}
	}
}

// sum returns the minimum of a row's dimension. A recount moves numbers between
// slots: then it is the row's value.
func (c *Commits) sum(m minuteKey, r warehouse.MinuteRow) (n int64) {
	if _, recounted := c.recounts[hourOf(m.at)]; recounted {
		return r.N
	}
	for slot := range warehouse.Slots {
		var last commit
		for _, one := range c.minutes[m][fieldKey{r.Dimension, slot}] {
			if one.rev > last.rev {
				last = one
			}
		}
		n += last.n
	}
	return n
}

func hourOf(at int64) int64 { return at - at%3600 }

// Recounting records that hours are being recounted, until the returned
// function is called.
func (c *Commits) Recounting(from, to time.Time) (done func()) {
	mark := func(at time.Time) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for h := from.Truncate(time.Hour); h.Before(to); h = h.Add(time.Hour) {
			c.recounts[h.Unix()] = at
		}
	}
	mark(time.Time{})
	return func() { mark(c.clock.Now()) }
}

// Mixed reports whether a minute of the cache, as of a time, may be partly from
// before a recount and partly from after it: the next refresh makes it
// consistent.
func (c *Commits) Mixed(minute, asOf time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	over, recounted := c.recounts[hourOf(minute.Unix())]
	return recounted && (over.IsZero() || !asOf.After(over))
}

// Least returns the minimum of a metric's minutes at a time, by minute and
// dimension.
func (c *Commits) Least(metric string, from, to, asOf time.Time) map[minuteOf]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	least := map[minuteOf]int64{}
	for m := from.Unix(); m < to.Unix(); m += 60 {
		for dimension, levels := range c.least[minuteKey{metric, m}] {
			for _, level := range levels {
				if !level.at.After(asOf) {
					least[minuteOf{m, dimension}] = level.n
				}
			}
		}
	}
	return least
}

// minuteOf is a minute, in Unix seconds, of one dimension.
type minuteOf struct {
	at        int64
	dimension string
}

// Users returns the number of users of a day that were known at a time.
func (c *Commits) Users(day string, asOf time.Time) (n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range c.users[day] {
		if !at.After(asOf) {
			n++
		}
	}
	return n
}

// Behind returns what a response lacks: every dimension and slot must have a
// revision at least as high as was committed by asOf.
func (c *Commits) Behind(metric string, minute time.Time, rows []warehouse.MinuteRow, asOf time.Time) string {
	have := map[fieldKey]int64{}
	for _, r := range rows {
		have[fieldKey{r.Dimension, r.Slot}] = r.Rev
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, recounted := c.recounts[hourOf(minute.Unix())]
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

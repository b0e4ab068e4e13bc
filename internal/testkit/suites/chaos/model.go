package chaos

import (
	"math/big"
	"time"

	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// series is a rollup row with its slots summed.
type series struct {
	metric    string
	minute    int64
	dimension string
}

// total holds a series' totals.
type total struct {
	n             int64
	sum, min, max *big.Rat // nil if missing
}

func (t *total) equal(o *total) bool {
	same := func(a, b *big.Rat) bool { return (a == nil) == (b == nil) && (a == nil || a.Cmp(b) == 0) }
	return t.n == o.n && same(t.sum, o.sum) && same(t.min, o.min) && same(t.max, o.max)
}

// add adds a number of events and the totals of their values.
func (t *total) add(n int64, sum, low, high *big.Rat) {
	t.n += n
	if t.sum == nil {
		t.sum = new(big.Rat)
	}
	if sum != nil {
		t.sum = new(big.Rat).Add(t.sum, sum)
	}
	if low != nil && (t.min == nil || low.Cmp(t.min) < 0) {
		t.min = low
	}
	if high != nil && (t.max == nil || high.Cmp(t.max) > 0) {
		t.max = high
	}
}

// recount counts events from the floor on, using nothing of the product but the
// metrics' names.
func recount(events []*Sent, floor time.Time, known map[string]map[string]bool, d declaration) map[series]*total {
	totals := map[series]*total{}
	add := func(name string, at int64, dimension string, value *big.Rat) {
		if !known[name][dimension] {
			dimension = warehouse.OtherDimension
		}
		key := series{name, at - at%60, dimension}
		if totals[key] == nil {
			totals[key] = &total{}
		}
		totals[key].add(1, value, value, value)
	}
	for _, e := range events {
		if e.Identity.At < floor.UnixMicro() {
			continue
		}
		at := e.Identity.At / 1_000_000
		add(warehouse.MetricEvents, at, e.Kind, nil)
		if e.Kind != d.EventType || e.Identity.At < d.since.UnixMicro() {
			continue
		}
		value, ok := new(big.Rat).SetString(e.Amount)
		if !ok {
			add(metric.SkippedKey(d.Key()), at, "", nil)
			continue
		}
		add(d.Key(), at, d.dimension(e), value)
	}
	return totals
}

// addUp sums the slots of rollup rows.
func addUp(rows []warehouse.MinuteRow) map[series]*total {
	totals := map[series]*total{}
	for _, r := range rows {
		if r.N == 0 {
			continue
		}
		key := series{r.Metric, r.Minute.Unix(), r.Dimension}
		if totals[key] == nil {
			totals[key] = &total{}
		}
		totals[key].add(r.N, number(r.Sum), number(r.Min), number(r.Max))
	}
	return totals
}

// number parses a decimal number; nil for the empty text.
func number(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return r
}

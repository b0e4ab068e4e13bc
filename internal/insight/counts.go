package insight

import (
	"cmp"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/api"
)

// counts counts events by type and step, and users by day or in all.
type counts struct {
	r     *Run
	from  int64
	step  int64
	byKey map[countKey]int64
	days  []int64
	// seen is the last user counted for each day.
	seen   []int64
	userID int64
	types  []int64
	users  int64
	events int64
}

type countKey struct {
	step int
	kind int32
}

func newCounts(r *Run) *counts {
	c := &counts{r: r, from: r.q.From.UnixMicro(), step: r.q.Step.Microseconds(), byKey: map[countKey]int64{}}
	if r.q.Kind == api.MetricUsers {
		n := int(r.q.To.Sub(r.q.From) / (24 * time.Hour))
		c.days, c.seen = make([]int64, n), make([]int64, n)
	}
	return c
}

func (c *counts) user(e *events) {
	c.userID++
	c.users++
	c.events += int64(len(e.at))
	for i, at := range e.at {
		switch c.r.q.Kind {
		case api.MetricEvents:
			c.byKey[countKey{int((at - c.from) / c.step), e.kinds[i]}]++
		case api.MetricUsers:
			if d := (at - c.from) / (24 * time.Hour).Microseconds(); c.seen[d] != c.userID {
				c.seen[d] = c.userID
				c.days[d]++
			}
		default:
			c.types = count(c.types, e.kinds[i])
		}
	}
}

func (c *counts) held() int64 { return int64(len(c.byKey)) * entryBytes }

func (c *counts) finish(a *Answer) {
	if c.r.q.Kind == api.QuestionLive {
		a.Response.Live = &api.Live{Users: c.users, Events: c.events, Types: c.r.topTypes(c.types)}
		return
	}
	a.Days = c.days
	for k, n := range c.byKey {
		a.Series = append(a.Series, SeriesPoint{k.step, c.r.types.values[k.kind], n})
	}
	slices.SortFunc(a.Series, func(x, y SeriesPoint) int {
		return cmp.Or(cmp.Compare(x.Step, y.Step), cmp.Compare(x.Type, y.Type))
	})
}

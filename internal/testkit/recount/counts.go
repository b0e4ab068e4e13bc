package recount

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/insight"
)

func (r recount) live() *api.Live {
	out := &api.Live{}
	types := map[string]int64{}
	for _, events := range r.users {
		n := out.Events
		for _, e := range events {
			if r.in(e) {
				out.Events++
				types[e.Type]++
			}
		}
		if out.Events > n {
			out.Users++
		}
	}
	out.Types = top(types, insight.MaxTop)
	return out
}

func (r recount) series() (all []insight.SeriesPoint) {
	for at, step := r.q.From, 0; at.Before(r.q.To); at, step = at.Add(r.q.Step), step+1 {
		types := map[string]int64{}
		for _, events := range r.users {
			for _, e := range events {
				if r.in(e) && !e.At.Before(at) && e.At.Before(at.Add(r.q.Step)) && (len(r.q.Events) == 0 || r.is(r.q.Events[0], e)) {
					types[e.Type]++
				}
			}
		}
		for kind, n := range types {
			all = append(all, insight.SeriesPoint{Step: step, Type: kind, Count: n})
		}
	}
	slices.SortFunc(all, func(a, b insight.SeriesPoint) int {
		return cmp.Or(cmp.Compare(a.Step, b.Step), strings.Compare(a.Type, b.Type))
	})
	return all
}

func (r recount) days() (days []int64) {
	for day := r.q.From; day.Before(r.q.To); day = day.Add(24 * time.Hour) {
		n := int64(0)
		for _, events := range r.users {
			if slices.ContainsFunc(events, func(e Event) bool { return !e.At.Before(day) && e.At.Before(day.Add(24*time.Hour)) }) {
				n++
			}
		}
		days = append(days, n)
	}
	return days
}

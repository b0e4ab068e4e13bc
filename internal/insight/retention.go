package insight

import (
	"sort"
	"time"

	"github.com/streamctl/streamctl/internal/api"
)

// retention assigns each user to the period of the first start event in the range, and
// counts in which periods the user has a return event after it.
type retention struct {
	r             *Run
	start, back   matcher
	bounds        []int64 // beginnings of all periods, and the end
	cohorts       int
	until         int64 // end of the range for start events
	users         []int64
	returned      [][]int64
	seen          []bool
	periodsInCell int
}

func newRetention(r *Run) *retention {
	t := &retention{r: r, start: r.matcher(r.q.Events[0]), back: r.matcher(r.q.Events[1]), until: r.q.To.UnixMicro(), periodsInCell: r.q.Periods + 1}
	for _, at := range r.q.periods {
		t.bounds = append(t.bounds, at.UnixMicro())
		if at.Before(r.q.To) {
			t.cohorts++
		}
	}
	t.users, t.seen = make([]int64, t.cohorts), make([]bool, t.periodsInCell)
	for range t.cohorts {
		t.returned = append(t.returned, make([]int64, t.periodsInCell))
	}
	return t
}

// period returns the number of the period of a time.
func (t *retention) period(at int64) int {
	return sort.Search(len(t.bounds), func(i int) bool { return t.bounds[i] > at }) - 1
}

func (t *retention) user(e *events) {
	first := -1
	for i, at := range e.at {
		if at < t.until && t.start.matches(e, i) {
			first = i
			break
		}
	}
	if first < 0 {
		return
	}
	cohort := t.period(e.at[first])
	t.users[cohort]++
	clear(t.seen)
	for i := first + 1; i < len(e.at); i++ {
		if !t.back.matches(e, i) {
			continue
		}
		if p := t.period(e.at[i]) - cohort; p < t.periodsInCell && !t.seen[p] {
			t.seen[p] = true
			t.returned[cohort][p]++
		}
	}
}

func (t *retention) held() int64 { return 0 }

func (t *retention) finish(a *Answer) {
	a.Response.Retention = &api.Retention{Unit: t.r.q.Unit, Zone: t.r.q.Zone, Cohorts: []api.Cohort{}}
	for c := range t.cohorts {
		a.Response.Retention.Cohorts = append(a.Response.Retention.Cohorts, api.Cohort{
			Start: t.r.q.periods[c], Users: t.users[c], Returned: t.returned[c],
		})
	}
}

// CloseCohorts removes the periods that have not begun, and marks those that have not
// ended. A cohort that has not begun is removed.
func (q Question) CloseCohorts(r *api.Retention, now time.Time) {
	var open []api.Cohort
	for c, cohort := range r.Cohorts {
		if cohort.Start.After(now) {
			break
		}
		for p := range cohort.Returned {
			if !q.periods[c+p].After(now) && q.periods[c+p+1].After(now) {
				cohort.Open, cohort.Returned = true, cohort.Returned[:p+1]
				break
			}
		}
		open = append(open, cohort)
	}
	r.Cohorts = open
}

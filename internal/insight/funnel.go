package insight

import (
	"cmp"
	"slices"

	"github.com/streamctl/streamctl/internal/api"
)

// funnel counts how far users get. Of a user's attempts, the one that completes the most
// steps counts; of several, the one that completes its last step first; of these, the
// one that begins last. Its other steps are the earliest possible events.
type funnel struct {
	r      *Run
	steps  []matcher
	window int64
	until  int64 // end of the range for the first step
	by     int   // column; -1 for no groups
	all    funnelGroup
	groups map[string]*funnelGroup
	// bytes is the memory of groups, without their waits, whose number is waits.
	bytes, waits int64
	// latest has, for each step, the attempt that has completed it and began last.
	latest []attempt
}

type funnelGroup struct {
	value string
	users []int64
	// waits are the times since the previous step, by step, in microseconds.
	waits [][]int64
}

// attempt has the times of the completed steps and the group of the first one.
type attempt struct {
	times [MaxSteps]int64
	// start is the index of the first step's event.
	start int
	value int32
	ok    bool
}

func newFunnel(r *Run) *funnel {
	f := &funnel{r: r, window: r.q.Window.Microseconds(), until: r.q.To.UnixMicro(), by: -1, groups: map[string]*funnelGroup{}}
	for _, s := range r.q.Events {
		f.steps = append(f.steps, r.matcher(s))
	}
	if len(r.q.By) > 0 {
		f.by = r.column(r.q.By[0])
	}
	f.all = f.newGroup("")
	f.latest = make([]attempt, len(f.steps))
	return f
}

func (f *funnel) newGroup(value string) funnelGroup {
	return funnelGroup{value, make([]int64, len(f.steps)), make([][]int64, len(f.steps))}
}

func (f *funnel) user(e *events) {
	clear(f.latest)
	depth, best := 0, attempt{}
	for i, at := range e.at {
		// The last step first, so that an event completes one step of an attempt.
		for k := len(f.steps) - 1; k >= 0; k-- {
			if !f.steps[k].matches(e, i) {
				continue
			}
			next := attempt{ok: true, start: i}
			switch {
			case k > 0:
				before := &f.latest[k-1]
				if !before.ok || at-before.times[0] > f.window {
					continue
				}
				next = *before
			case at >= f.until:
				continue
			case f.by >= 0:
				next.value = e.value(i, f.by)
			}
			next.times[k] = at
			// An attempt that begins later can complete all steps that an earlier one can.
			if l := &f.latest[k]; k == 0 || !l.ok || next.start > l.start {
				*l = next
			}
			if k+1 > depth {
				depth, best = k+1, next
			}
		}
	}
	if depth == 0 {
		return
	}
	f.waits += int64(depth - 1)
	f.all.add(depth, &best)
	if f.by < 0 {
		return
	}
	f.waits += int64(depth - 1)
	value := shown(f.r.columns[f.by].values[best.value])
	g := f.groups[value]
	if g == nil {
		fresh := f.newGroup(value)
		g = &fresh
		f.groups[value] = g
		f.bytes += int64(len(value)+len(f.steps)*(8+24)) + 4*entryBytes
	}
	g.add(depth, &best)
}

func (f *funnel) held() int64 { return f.bytes + f.waits*12 }

func (g *funnelGroup) add(depth int, a *attempt) {
	for k := range depth {
		g.users[k]++
		if k > 0 {
			g.waits[k] = append(g.waits[k], a.times[k]-a.times[k-1])
		}
	}
}

func (f *funnel) finish(a *Answer) {
	out := &api.Funnel{WindowSeconds: int64(f.r.q.Window.Seconds()), Steps: f.result(&f.all)}
	if f.by >= 0 {
		out.By = f.r.q.By[0]
		groups := make([]*funnelGroup, 0, len(f.groups))
		for _, g := range f.groups {
			groups = append(groups, g)
		}
		slices.SortFunc(groups, func(x, y *funnelGroup) int {
			return cmp.Or(cmp.Compare(y.users[0], x.users[0]), cmp.Compare(x.value, y.value))
		})
		top := groups[:min(f.r.q.Top, len(groups))]
		out.Rest, out.Groups = len(groups)-len(top), make([]api.FunnelGroup, len(top))
		for i, g := range top {
			out.Groups[i] = api.FunnelGroup{Value: g.value, Steps: f.result(g)}
		}
	}
	a.Response.Funnel = out
}

func (f *funnel) result(g *funnelGroup) []api.FunnelStep {
	steps := make([]api.FunnelStep, len(f.steps))
	for k := range steps {
		steps[k] = api.FunnelStep{
			Step: f.r.q.Events[k].Text, Users: g.users[k], Conversion: share(g.users[k], g.users[0]), MedianSeconds: medianSeconds(g.waits[k]),
		}
	}
	return steps
}

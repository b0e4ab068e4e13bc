package recount

import (
	"cmp"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/api"
)

// funnel tries every start event of every user.
func (r recount) funnel() *api.Funnel {
	type result struct {
		users int64
		waits []time.Duration
	}
	steps := r.q.Events
	groups := map[string][]result{}
	var all []result
	for range steps {
		all = append(all, result{})
	}
	for _, events := range r.users {
		depth, best, ends := 0, []int(nil), 0
		for start, e := range events {
			if !r.in(e) || !r.is(steps[0], e) {
				continue
			}
			chain := []int{start}
			for k := 1; k < len(steps); k++ {
				for i := chain[k-1] + 1; i < len(events); i++ {
					if r.is(steps[k], events[i]) && events[i].At.Sub(e.At) <= r.q.Window {
						chain = append(chain, i)
						break
					}
				}
				if len(chain) == k {
					break
				}
			}
			end := chain[len(chain)-1]
			switch {
			case len(chain) > depth, len(chain) == depth && (end < ends || end == ends && depth > 1):
				depth, best, ends = len(chain), chain, end
			}
		}
		if depth == 0 {
			continue
		}
		value := ""
		if r.q.By != nil {
			value = text(events[best[0]], r.q.By[0])
		}
		if groups[value] == nil {
			groups[value] = make([]result, len(steps))
		}
		for _, to := range [][]result{all, groups[value]} {
			for k := range depth {
				to[k].users++
				if k > 0 {
					to[k].waits = append(to[k].waits, events[best[k]].At.Sub(events[best[k-1]].At))
				}
			}
		}
	}
	out := func(results []result) (list []api.FunnelStep) {
		for k, s := range steps {
			list = append(list, api.FunnelStep{Step: s.Text, Users: results[k].users, Conversion: share(results[k].users, results[0].users), MedianSeconds: discrete(results[k].waits)})
		}
		return list
	}
	f := &api.Funnel{WindowSeconds: int64(r.q.Window.Seconds()), Steps: out(all)}
	if r.q.By == nil {
		return f
	}
	f.By, f.Groups = r.q.By[0], []api.FunnelGroup{}
	for value, results := range groups {
		f.Groups = append(f.Groups, api.FunnelGroup{Value: value, Steps: out(results)})
	}
	slices.SortFunc(f.Groups, func(a, b api.FunnelGroup) int {
		return cmp.Or(cmp.Compare(b.Steps[0].Users, a.Steps[0].Users), strings.Compare(a.Value, b.Value))
	})
	if n := r.q.Top; len(f.Groups) > n {
		f.Rest, f.Groups = len(f.Groups)-n, f.Groups[:n]
	}
	return f
}

// local returns the day, in the zone, on which the period of a time begins.
func (r recount) local(at time.Time, zone *time.Location) time.Time {
	y, m, d := at.In(zone).Date()
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	switch r.q.Unit {
	case "week":
		for day.Weekday() != time.Monday {
			day = day.AddDate(0, 0, -1)
		}
	case "month":
		day = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	}
	return day
}

func (r recount) after(day time.Time, n int) time.Time {
	switch r.q.Unit {
	case "week":
		return day.AddDate(0, 0, 7*n)
	case "month":
		return day.AddDate(0, n, 0)
	}
	return day.AddDate(0, 0, n)
}

func (r recount) retention(now time.Time) *api.Retention {
	zone, err := time.LoadLocation(r.q.Zone)
	if err != nil {
		panic(err)
	}
	out := &api.Retention{Unit: r.q.Unit, Zone: r.q.Zone}
	current := r.local(now, zone)
	for day := r.local(r.q.From, zone); !day.After(r.local(r.q.To.Add(-1), zone)) && !day.After(current); day = r.after(day, 1) {
		c := api.Cohort{Start: time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone)}
		for n := 0; n <= r.q.Periods && !r.after(day, n).After(current); n++ {
			c.Returned = append(c.Returned, 0)
			c.Open = r.after(day, n).Equal(current)
		}
		for _, events := range r.users {
			first := slices.IndexFunc(events, func(e Event) bool { return r.in(e) && r.is(r.q.Events[0], e) })
			if first < 0 || !r.local(events[first].At, zone).Equal(day) {
				continue
			}
			c.Users++
			for n := range c.Returned {
				if slices.ContainsFunc(events[first+1:], func(e Event) bool {
					return r.is(r.q.Events[1], e) && r.local(e.At, zone).Equal(r.after(day, n))
				}) {
					c.Returned[n]++
				}
			}
		}
		out.Cohorts = append(out.Cohorts, c)
	}
	return out
}

func (r recount) sessions() *api.Sessions {
	out := &api.Sessions{GapSeconds: int64(r.q.Gap.Seconds())}
	entries, exits := map[string]int64{}, map[string]int64{}
	var lengths []time.Duration
	var sum time.Duration
	var ones int64
	for _, events := range r.users {
		users := out.Users
		for i, e := range events {
			if !r.in(e) || i > 0 && e.At.Sub(events[i-1].At) <= r.q.Gap {
				continue
			}
			j := i
			for j+1 < len(events) && events[j+1].At.Sub(events[j].At) <= r.q.Gap && events[j+1].At.Before(r.q.To.Add(24*time.Hour)) {
				j++
			}
			out.Sessions++
			out.Users = users + 1
			out.Events += int64(j - i + 1)
			length := events[j].At.Sub(e.At)
			lengths, sum = append(lengths, length), sum+length
			entries[e.Type]++
			exits[events[j].Type]++
			if i == j {
				ones++
			}
		}
	}
	out.MedianSeconds, out.EventsPerSession, out.BounceRate = discrete(lengths), share(out.Events, out.Sessions), share(ones, out.Sessions)
	if out.Sessions > 0 {
		mean := float64(sum.Microseconds()) / float64(out.Sessions) / 1e6
		out.MeanSeconds = &mean
	}
	out.Entries, out.Exits = top(entries, r.q.Top), top(exits, r.q.Top)
	return out
}

func (r recount) breakdown() *api.Breakdown {
	out := &api.Breakdown{By: r.q.By, Property: r.q.Property, Percents: r.q.Percents, Groups: []api.BreakdownGroup{}}
	groups := map[string][]Event{}
	for _, events := range r.users {
		for _, e := range events {
			if r.in(e) && r.is(r.q.Events[0], e) {
				var values []string
				for _, by := range r.q.By {
					values = append(values, text(e, by))
				}
				key := strings.Join(values, "\x00")
				groups[key] = append(groups[key], e)
			}
		}
	}
	var rest []Event
	var keys []string
	for key := range groups {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(len(groups[b])-len(groups[a]), slices.Compare(strings.Split(a, "\x00"), strings.Split(b, "\x00")))
	})
	for i, key := range keys {
		if i < r.q.Top {
			out.Groups = append(out.Groups, r.group(strings.Split(key, "\x00"), groups[key]))
			continue
		}
		out.RestGroups++
		rest = append(rest, groups[key]...)
	}
	if out.RestGroups > 0 {
		g := r.group(nil, rest)
		out.Rest = &g
	}
	return out
}

func (r recount) group(values []string, events []Event) api.BreakdownGroup {
	g := api.BreakdownGroup{Values: values, Count: int64(len(events))}
	users := map[string]bool{}
	var numbers []*big.Rat
	sum := new(big.Rat)
	for _, e := range events {
		users[e.User] = true
		if r.q.Property == "" {
			continue
		}
		if n := number(e, r.q.Property); n != nil {
			numbers = append(numbers, n)
			sum.Add(sum, n)
		}
	}
	g.Users, g.Numbers = int64(len(users)), int64(len(numbers))
	if len(numbers) == 0 {
		return g
	}
	slices.SortFunc(numbers, (*big.Rat).Cmp)
	g.Sum, g.Min, g.Max = api.Number(plain(sum)), api.Number(plain(numbers[0])), api.Number(plain(numbers[len(numbers)-1]))
	for _, percent := range r.q.Percents {
		for i := range numbers { // the first value that at least percent of the values are not above
			if (i+1)*100 >= percent*len(numbers) {
				g.Percentiles = append(g.Percentiles, api.Number(plain(numbers[i])))
				break
			}
		}
	}
	return g
}

func (r recount) paths() *api.Paths {
	out := &api.Paths{Depth: r.q.Depth, Before: r.q.Before, Paths: []api.PathUsed{}}
	counts, users := map[string]int64{}, map[string]map[string]bool{}
	for user, events := range r.users {
		had := false
		for i, e := range events {
			if !r.in(e) || !r.is(r.q.Events[0], e) {
				continue
			}
			out.Occurrences++
			had = true
			var types []string
			for j := i; len(types) < r.q.Depth; {
				step := 1
				if r.q.Before {
					step = -1
				}
				if j+step < 0 || j+step == len(events) || events[j].At.Sub(events[j+step].At).Abs() > r.q.Gap {
					break
				}
				j += step
				types = append(types, events[j].Type)
			}
			if r.q.Before {
				slices.Reverse(types)
			}
			key := strings.Join(types, "\x00")
			counts[key]++
			if users[key] == nil {
				users[key] = map[string]bool{}
			}
			users[key][user] = true
		}
		if had {
			out.Users++
		}
	}
	var all []api.PathUsed
	for key, n := range counts {
		types := []string{}
		if key != "" {
			types = strings.Split(key, "\x00")
		}
		all = append(all, api.PathUsed{Types: types, Count: n, Users: int64(len(users[key]))})
	}
	slices.SortFunc(all, func(a, b api.PathUsed) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Types, b.Types))
	})
	for i, p := range all {
		if i < r.q.Top {
			out.Paths = append(out.Paths, p)
			continue
		}
		out.Rest += p.Count
		out.RestPaths++
	}
	return out
}

package insight

import (
	"cmp"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/decimal"
	"github.com/streamctl/streamctl/internal/sequence"
)

// breakdown groups events by the values of one or two properties.
type breakdown struct {
	r        *Run
	event    matcher
	by       []int // columns; -1 for the type
	property int   // column; -1 for none
	groups   []breakdownGroup
	index    map[string]int32
	// codes caches the groups by the codes of the values.
	codes map[[2]int32]int32
	// bytes is the memory of the groups and their numbers.
	bytes int64
	// memberships are the groups of each user, one user after the other, each ended by -1.
	memberships []int32
	touched     []int32
	user0       int64
}

type breakdownGroup struct {
	values       []string
	count, users int64
	lastUser     int64
	// numbers has the number of events by the code of the property's value.
	numbers map[int32]int64
}

func newBreakdown(r *Run) *breakdown {
	b := &breakdown{r: r, event: r.matcher(r.q.Events[0]), property: -1, index: map[string]int32{}, codes: map[[2]int32]int32{}}
	for _, by := range r.q.By {
		b.by = append(b.by, r.column(by))
	}
	if r.q.Property != "" {
		b.property = r.column(r.q.Property)
	}
	return b
}

func (b *breakdown) user(e *events) {
	b.user0++
	b.touched = b.touched[:0]
	for i := range e.at {
		if !b.event.matches(e, i) {
			continue
		}
		g := b.group(e, i)
		group := &b.groups[g]
		group.count++
		if group.lastUser != b.user0 {
			group.lastUser = b.user0
			group.users++
			b.touched = append(b.touched, g)
		}
		if b.property < 0 {
			continue
		}
		code := e.value(i, b.property)
		if v := b.r.columns[b.property].values[code]; v == "" || v[0] != sequence.KindNumber {
			continue
		}
		if group.numbers == nil {
			group.numbers = map[int32]int64{}
		}
		if group.numbers[code]++; group.numbers[code] == 1 {
			b.bytes += entryBytes
		}
	}
	if len(b.touched) > 0 {
		b.memberships = append(append(b.memberships, b.touched...), -1)
	}
}

func (b *breakdown) held() int64 { return b.bytes + int64(len(b.memberships))*6 }

// group returns the group of an event.
func (b *breakdown) group(e *events, i int) int32 {
	key := [2]int32{-1, -1}
	for j, c := range b.by {
		if c < 0 {
			key[j] = e.kinds[i]
		} else {
			key[j] = e.value(i, c)
		}
	}
	if g, ok := b.codes[key]; ok {
		return g
	}
	values := make([]string, len(b.by))
	for j, c := range b.by {
		if c < 0 {
			values[j] = b.r.types.values[key[j]]
		} else {
			values[j] = shown(b.r.columns[c].values[key[j]])
		}
	}
	name := strings.Join(values, "\x00") // PostgreSQL stores no NUL
	g, ok := b.index[name]
	if !ok {
		g = int32(len(b.groups))
		b.groups, b.index[name] = append(b.groups, breakdownGroup{values: values}), g
		b.bytes += int64(len(name)) + 6*entryBytes
	}
	b.codes[key] = g
	b.bytes += entryBytes
	return g
}

func (b *breakdown) finish(a *Answer) {
	out := &api.Breakdown{By: b.r.q.By, Property: b.r.q.Property, Percents: b.r.q.Percents, Groups: []api.BreakdownGroup{}}
	order := make([]int32, len(b.groups))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int {
		g, h := &b.groups[x], &b.groups[y]
		return cmp.Or(cmp.Compare(h.count, g.count), slices.Compare(g.values, h.values))
	})
	top := order[:min(b.r.q.Top, len(order))]
	for _, g := range top {
		out.Groups = append(out.Groups, b.result(&b.groups[g]))
	}
	if rest := order[len(top):]; len(rest) > 0 {
		sum := b.rest(rest)
		result := b.result(&sum)
		out.Rest, out.RestGroups = &result, len(rest)
	}
	a.Response.Breakdown = out
}

// rest sums groups.
func (b *breakdown) rest(groups []int32) (sum breakdownGroup) {
	in := make([]bool, len(b.groups))
	sum.numbers = map[int32]int64{}
	for _, g := range groups {
		in[g] = true
		sum.count += b.groups[g].count
		for code, n := range b.groups[g].numbers {
			sum.numbers[code] += n
		}
	}
	counted := false
	for _, g := range b.memberships {
		switch {
		case g < 0:
			counted = false
		case in[g] && !counted:
			counted = true
			sum.users++
		}
	}
	return sum
}

func (b *breakdown) result(g *breakdownGroup) api.BreakdownGroup {
	out := api.BreakdownGroup{Values: g.values, Count: g.count, Users: g.users}
	if len(g.numbers) == 0 {
		return out
	}
	type number struct {
		value decimal.Decimal
		n     int64
	}
	var all []number
	var sum decimal.Decimal
	for code, n := range g.numbers {
		d, err := decimal.Parse(b.r.columns[b.property].values[code][1:])
		if err != nil {
			continue // sequence.Number wrote it
		}
		all = append(all, number{d, n})
		sum = sum.Add(d.Times(n))
		out.Numbers += n
	}
	if len(all) == 0 {
		return out
	}
	slices.SortFunc(all, func(x, y number) int { return x.value.Cmp(y.value) })
	out.Sum, out.Min, out.Max = api.Number(sum.String()), api.Number(all[0].value.String()), api.Number(all[len(all)-1].value.String())
	for _, percent := range b.r.q.Percents {
		rank, before := max((int64(percent)*out.Numbers+99)/100, 1), int64(0)
		for _, v := range all {
			if before += v.n; before >= rank {
				out.Percentiles = append(out.Percentiles, api.Number(v.value.String()))
				break
			}
		}
	}
	return out
}

package insight

import (
	"cmp"
	"slices"

	"github.com/streamctl/streamctl/internal/api"
)

// paths counts the sequences of events after (or before) each occurrence of an event.
// A path ends where a session does.
type paths struct {
	r        *Run
	event    matcher
	gap      int64
	from, to int64
	found    map[[MaxDepth]int32]*path
	n, users int64
	userID   int64
}

type path struct {
	types                  []int32
	count, users, lastUser int64
}

func newPaths(r *Run) *paths {
	return &paths{
		r: r, event: r.matcher(r.q.Events[0]), gap: r.q.Gap.Microseconds(), from: r.q.From.UnixMicro(), to: r.q.To.UnixMicro(),
		found: map[[MaxDepth]int32]*path{},
	}
}

func (p *paths) user(e *events) {
	p.userID++
	counted := false
	for i, at := range e.at {
		if at < p.from || at >= p.to || !p.event.matches(e, i) {
			continue
		}
		p.n++
		if !counted {
			p.users++
			counted = true
		}
		p.add(p.types(e, i))
	}
}

func (p *paths) held() int64 { return int64(len(p.found)) * 4 * entryBytes }

// types returns the types of the events after or before event i; codes are above 0.
func (p *paths) types(e *events, i int) (key [MaxDepth]int32, n int) {
	if !p.r.q.Before {
		for j := i + 1; j < len(e.at) && n < p.r.q.Depth && e.at[j]-e.at[j-1] <= p.gap; j++ {
			key[n] = e.kinds[j]
			n++
		}
		return key, n
	}
	first := i
	for first > 0 && i-first < p.r.q.Depth && e.at[first]-e.at[first-1] <= p.gap {
		first--
	}
	n = copy(key[:], e.kinds[first:i])
	return key, n
}

func (p *paths) add(key [MaxDepth]int32, n int) {
	f := p.found[key]
	if f == nil {
		f = &path{types: slices.Clone(key[:n])}
		p.found[key] = f
	}
	f.count++
	if f.lastUser != p.userID {
		f.lastUser = p.userID
		f.users++
	}
}

func (p *paths) finish(a *Answer) {
	out := &api.Paths{Depth: p.r.q.Depth, Before: p.r.q.Before, Occurrences: p.n, Users: p.users, Paths: []api.PathUsed{}}
	all := make([]api.PathUsed, 0, len(p.found))
	for _, f := range p.found {
		names := make([]string, len(f.types))
		for i, code := range f.types {
			names[i] = p.r.types.values[code]
		}
		all = append(all, api.PathUsed{Types: names, Count: f.count, Users: f.users})
	}
	slices.SortFunc(all, func(x, y api.PathUsed) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), slices.Compare(x.Types, y.Types))
	})
	top := min(p.r.q.Top, len(all))
	out.Paths = append(out.Paths, all[:top]...)
	for _, rest := range all[top:] {
		out.Rest += rest.Count
	}
	out.RestPaths = len(all) - top
	a.Response.Paths = out
}

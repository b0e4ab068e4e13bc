package insight

import (
	"cmp"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/api"
)

// sessions splits the events of each user where more than the gap passes between two.
// A session belongs to the range if its first event does, also if it ends later.
type sessions struct {
	r                   *Run
	gap, from, to       int64
	users, events, ones int64
	lengths             []int64
	sum                 int64
	entries, exits      []int64 // by type
}

func newSessions(r *Run) *sessions {
	return &sessions{r: r, gap: r.q.Gap.Microseconds(), from: r.q.From.UnixMicro(), to: r.q.To.UnixMicro()}
}

func (s *sessions) user(e *events) {
	counted := false
	for start := 0; start < len(e.at); {
		end := start + 1
		for end < len(e.at) && e.at[end]-e.at[end-1] <= s.gap {
			end++
		}
		if at := e.at[start]; at >= s.from && at < s.to {
			s.add(e, start, end)
			if !counted {
				s.users++
				counted = true
			}
		}
		start = end
	}
}

func (s *sessions) held() int64 { return int64(len(s.lengths)) * 12 }

func (s *sessions) add(e *events, start, end int) {
	length := e.at[end-1] - e.at[start]
	s.lengths, s.sum = append(s.lengths, length), s.sum+length
	s.events += int64(end - start)
	if end-start == 1 {
		s.ones++
	}
	s.entries = count(s.entries, e.kinds[start])
	s.exits = count(s.exits, e.kinds[end-1])
}

// count adds 1 to the count of a code.
func count(counts []int64, code int32) []int64 {
	for int(code) >= len(counts) {
		counts = append(counts, 0)
	}
	counts[code]++
	return counts
}

func (s *sessions) finish(a *Answer) {
	n := int64(len(s.lengths))
	out := &api.Sessions{
		GapSeconds: int64(s.r.q.Gap.Seconds()), Sessions: n, Users: s.users, Events: s.events,
		EventsPerSession: share(s.events, n), BounceRate: share(s.ones, n), MedianSeconds: medianSeconds(s.lengths),
		Entries: s.r.topTypes(s.entries), Exits: s.r.topTypes(s.exits),
	}
	if n > 0 {
		mean := float64(s.sum) / float64(n) / float64(time.Second/time.Microsecond)
		out.MeanSeconds = &mean
	}
	a.Response.Sessions = out
}

// topTypes returns the most frequent types, at most as many as the question's top, or
// MaxTop.
func (r *Run) topTypes(counts []int64) []api.TypeCount {
	all := []api.TypeCount{}
	for code, n := range counts {
		if n > 0 {
			all = append(all, api.TypeCount{EventType: r.types.values[code], Count: n})
		}
	}
	slices.SortFunc(all, func(x, y api.TypeCount) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.EventType, y.EventType))
	})
	top := r.q.Top
	if top == 0 {
		top = MaxTop
	}
	return all[:min(top, len(all))]
}

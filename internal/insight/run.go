package insight

import (
	"slices"
	"sort"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/sequence"
)

// events are the relevant events of one user, in order.
type events struct {
	at    []int64
	kinds []int32
	// values has width codes per event.
	values []int32
	width  int
}

func (e *events) value(i, column int) int32 { return e.values[i*e.width+column] }

func (e *events) reset() { e.at, e.kinds, e.values = e.at[:0], e.kinds[:0], e.values[:0] }

// evaluator counts users, one after the other.
type evaluator interface {
	user(e *events)
	finish(*Answer)
	// held returns the approximate memory in bytes, which grows with the users.
	held() int64
}

// entryBytes is the memory of an entry of a map with a small key.
const entryBytes = 48

// Answer is the result of a question.
type Answer struct {
	// Response has the result of a question of api.Questions.
	Response api.InsightResponse
	// Series has the result of api.MetricEvents; Days the users by day.
	Series []SeriesPoint
	Days   []int64
}

// SeriesPoint is the number of events of a type in a step.
type SeriesPoint struct {
	// Step is the number of the step.
	Step  int
	Type  string
	Count int64
}

// texts assigns codes to texts.
type texts struct {
	codes  map[string]int32
	values []string
	bytes  int64
}

func newTexts() *texts { return &texts{codes: map[string]int32{"": 0}, values: []string{""}} }

func (t *texts) code(text string) int32 {
	c, ok := t.codes[text]
	if !ok {
		c = int32(len(t.values))
		t.codes[text] = c
		t.values = append(t.values, text)
		t.bytes += int64(len(text)) + sequence.TextBytes
	}
	return c
}

// Run evaluates one question.
type Run struct {
	q        Question
	need     Need
	links    *sequence.Links
	types    *texts
	columns  []*column
	where    []test
	wanted   map[string]bool
	from, to int64
	counts   evaluator
	read     int64
	buffer   events
	slices   [sequence.Slices]bool
	// linked has the events of persons with several ids, of which some were not read.
	linked      map[uint32][]member
	linkedBytes int64
	// seen are the types, and has the properties, of events in the range.
	seen []bool
	has  []bool
}

// member is the events of one id of a user.
type member struct {
	hash uint64
	events
}

// NewRun returns the evaluation of a question.
func NewRun(q Question) *Run {
	r := &Run{q: q, need: q.Need(), types: newTexts(), linked: map[uint32][]member{}}
	r.from, r.to = r.need.From.UnixMicro(), r.need.To.UnixMicro()
	for _, path := range r.need.Paths {
		kept := path == q.Property || slices.Contains(q.By, path)
		r.columns = append(r.columns, &column{texts: newTexts(), classes: !kept})
	}
	if r.need.Types != nil {
		r.wanted = map[string]bool{}
		for _, t := range r.need.Types {
			r.wanted[t] = true
		}
	}
	r.has = make([]bool, len(r.need.Paths))
	r.where = r.tests(q.Where)
	r.buffer.width = len(r.need.Paths)
	r.counts = r.evaluator()
	return r
}

// Link sets which ids are of one person, before the first slice.
func (r *Run) Link(links *sequence.Links) { r.links = links }

// Held returns the approximate memory of the links and of what was counted, in bytes.
func (r *Run) Held() int64 {
	n := r.links.Bytes() + r.linkedBytes + r.types.bytes + r.counts.held()
	for _, c := range r.columns {
		n += c.bytes
	}
	return n
}

// Need returns the data that the question needs.
func (r *Run) Need() Need { return r.need }

func (r *Run) evaluator() evaluator {
	switch r.q.Kind {
	case api.QuestionFunnel:
		return newFunnel(r)
	case api.QuestionRetention:
		return newRetention(r)
	case api.QuestionSessions:
		return newSessions(r)
	case api.QuestionBreakdown:
		return newBreakdown(r)
	case api.QuestionPaths:
		return newPaths(r)
	}
	return newCounts(r)
}

// column returns the column of a path.
func (r *Run) column(path string) int { return slices.Index(r.need.Paths, path) }

// AddSlice adds the events of one slice of the users: parts in the order of time, with
// the properties of Need. Events that the question does not need are ignored.
func (r *Run) AddSlice(slice int, parts []sequence.Part) error {
	r.slices[slice] = true
	tables := make([]table, len(parts))
	for i, p := range parts {
		tables[i] = r.translate(p.Sequences)
		r.read += int64(p.Len())
	}
	err := sequence.EachUser(parts, func(hash uint64, entries []sequence.Entry) error {
		r.buffer.reset()
		for _, e := range entries {
			r.copy(parts[e.Part].Sequences, tables[e.Part], e)
		}
		if len(r.buffer.at) == 0 {
			return nil
		}
		if person, ok := r.links.Person(hash); ok {
			m := member{hash, events{slices.Clone(r.buffer.at), slices.Clone(r.buffer.kinds), slices.Clone(r.buffer.values), r.buffer.width}}
			r.linked[person] = append(r.linked[person], m)
			r.linkedBytes += m.bytes()
			return nil
		}
		r.counts.user(&r.buffer)
		return nil
	})
	if err != nil {
		return err //nolint:wrapcheck // nil: the function above returns none
	}
	return r.links.Complete(slice, r.complete) //nolint:wrapcheck // the same
}

// bytes returns the approximate memory.
func (m *member) bytes() int64 { return int64(len(m.at))*int64(12+4*m.width) + 3*entryBytes }

// complete counts a person all of whose ids were read.
func (r *Run) complete(person uint32) error {
	all := r.linked[person]
	if len(all) == 0 {
		return nil
	}
	for i := range all {
		r.linkedBytes -= all[i].bytes()
	}
	delete(r.linked, person)
	joined := joinMembers(all)
	r.counts.user(&joined)
	return nil
}

// Unseen returns the event types of the question that no event in the range has, and the
// paths of its properties that none of the needed events has. It has no paths if there are
// no such events at all.
func (r *Run) Unseen() (types, paths []string) {
	events := slices.Contains(r.seen, true)
	for _, e := range r.q.Events {
		code, ok := r.types.codes[e.Type]
		if e.Type != "" && (!ok || int(code) >= len(r.seen) || !r.seen[code]) && !slices.Contains(types, e.Type) {
			types = append(types, e.Type)
		}
	}
	for i, path := range r.need.Paths {
		if events && !r.has[i] {
			paths = append(paths, path)
		}
	}
	return types, paths
}

// table has the codes of this run for those of a part; -1 for types that are not needed.
type table struct {
	types  []int32
	values [][]int32
}

func (r *Run) translate(s *sequence.Sequences) table {
	t := table{types: make([]int32, len(s.Types.Values))}
	for i, name := range s.Types.Values {
		t.types[i] = -1
		if name != "" && (r.wanted == nil || r.wanted[name]) {
			t.types[i] = r.types.code(name)
		}
	}
	if n := len(r.types.values); n > len(r.seen) {
		r.seen = append(r.seen, make([]bool, n-len(r.seen))...)
	}
	for i := range r.columns {
		codes := make([]int32, len(s.Properties[i].Values))
		for j, v := range s.Properties[i].Values {
			codes[j] = r.columns[i].code(v)
		}
		t.values = append(t.values, codes)
	}
	return t
}

// copy appends the relevant events of an entry to the buffer.
func (r *Run) copy(s *sequence.Sequences, t table, e sequence.Entry) {
	b := &r.buffer
	for i := e.Begin; i < e.End; i++ {
		at, kind := s.Times[i], t.types[s.Types.Codes[i]]
		if kind < 0 || at < r.from || at >= r.to {
			continue
		}
		r.seen[kind] = true
		for c := range r.columns {
			code := s.Properties[c].Codes[i]
			r.has[c] = r.has[c] || code != 0
			b.values = append(b.values, t.values[c][code])
		}
		b.at, b.kinds = append(b.at, at), append(b.kinds, kind)
		if len(r.where) > 0 && !passes(r.where, b, len(b.at)-1) {
			n := len(b.at) - 1
			b.at, b.kinds, b.values = b.at[:n], b.kinds[:n], b.values[:n*b.width]
		}
	}
}

// Finish returns the answer for the slices that were added. Persons of whom an id is in
// another slice are missing.
func (r *Run) Finish() Answer {
	done := 0
	for _, d := range r.slices {
		if d {
			done++
		}
	}
	a := Answer{Response: api.InsightResponse{
		Question: r.q.Kind, From: r.q.From, To: r.q.To, UserShare: float64(done) / sequence.Slices, EventsRead: r.read,
	}}
	r.counts.finish(&a)
	return a
}

// joinMembers merges the events of a user's ids. Events at the same time are in the
// order of the ids' hashes.
func joinMembers(all []member) events {
	slices.SortFunc(all, func(a, b member) int {
		if a.hash < b.hash {
			return -1
		}
		return 1
	})
	type place struct{ member, i int }
	var order []place
	for m := range all {
		for i := range all[m].at {
			order = append(order, place{m, i})
		}
	}
	sort.SliceStable(order, func(x, y int) bool {
		return all[order[x].member].at[order[x].i] < all[order[y].member].at[order[y].i]
	})
	out := events{width: all[0].width}
	for _, p := range order {
		m := &all[p.member]
		out.at, out.kinds = append(out.at, m.at[p.i]), append(out.kinds, m.kinds[p.i])
		out.values = append(out.values, m.values[p.i*m.width:(p.i+1)*m.width]...)
	}
	return out
}

// shown returns a value of sequence.Value as a group's value: text, numbers and booleans
// as text, anything else as the empty text.
func shown(value string) string {
	if value == "" {
		return ""
	}
	return value[1:]
}

// disc returns the discrete percentile of sorted values, which must not be empty.
func disc(values []int64, percent int) int64 {
	rank := (percent*len(values) + 99) / 100
	return values[max(rank, 1)-1]
}

// medianSeconds returns the median of microseconds in seconds; nil without values.
func medianSeconds(values []int64) *float64 {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	seconds := (time.Duration(disc(values, 50)) * time.Microsecond).Seconds()
	return &seconds
}

func share(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

package insight_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/sequence"
	"github.com/streamctl/streamctl/internal/testkit/recount"
)

// TestAnswersEqualARecount compares answers about random events, packed as blocks of
// random spans, with a plain recount.
func TestAnswersEqualARecount(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		from := time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC) // the clock changes in Berlin
		to := from.Add(5 * 24 * time.Hour)
		var events []recount.Event
		links := map[uint64]uint64{}
		for n := range r.IntN(200) {
			events = append(events, recount.Event{
				User: fmt.Sprintf("user%d", r.IntN(10)), Type: recount.Types[r.IntN(len(recount.Types))], Order: fmt.Sprintf("%032d", n),
				At: from.Add(time.Duration(r.Int64N(int64(to.Sub(from)/time.Minute))) * time.Minute), Properties: recount.RandomProperties(r),
			})
		}
		if r.IntN(2) == 0 {
			links[sequence.Hash("user1")], links[sequence.Hash("user2")] = sequence.Hash("user2"), sequence.Hash("user2")
		}
		for range 10 {
			now := from.Add(time.Duration(r.Int64N(int64(to.Sub(from)))))
			q, err := recount.RandomQuestion(r, from, to, now)
			if err != nil {
				continue
			}
			got := answer(t, r, q, events, links, now)
			want := recount.Answer(q, linked(events, links), now)
			if same, text := recount.Same(got, want); !same {
				t.Fatalf("seed %d: %+v\n%s", seed, q, text)
			}
		}
	}
}

// linked returns the events of users after links were followed.
func linked(events []recount.Event, links map[uint64]uint64) []recount.Event {
	var out []recount.Event
	for _, e := range events {
		if _, ok := links[sequence.Hash(e.User)]; ok {
			e.Order = fmt.Sprintf("%016x", sequence.Hash(e.User)) + e.Order
			e.User = "linked"
		}
		out = append(out, e)
	}
	return out
}

func answer(t *testing.T, r *rand.Rand, q insight.Question, events []recount.Event, links map[uint64]uint64, now time.Time) insight.Answer {
	t.Helper()
	run := insight.NewRun(q)
	ids := sequence.NewLinks(len(links))
	for id, user := range links {
		ids.Add(id, user, 0)
	}
	ids.Sort()
	run.Link(ids)
	need := run.Need()
	hours := time.Duration(1 + r.IntN(40))
	builders := map[time.Time]*sequence.Builder{}
	var order []time.Time
	for at := need.From.UTC().Truncate(hours * time.Hour); at.Before(need.To); at = at.Add(hours * time.Hour) {
		builders[at] = sequence.NewBuilder(need.Paths)
		order = append(order, at)
	}
	for _, e := range events {
		b := builders[e.At.Truncate(hours*time.Hour)]
		if b == nil {
			continue
		}
		var values []string
		for _, path := range need.Paths {
			values = append(values, sequence.Value(lookUp(t, e.Properties, path)))
		}
		var id [16]byte
		copy(id[:], e.Order[16:])
		b.Add(sequence.Hash(e.User), e.At.UnixMicro(), id, e.Type, values)
	}
	parts := map[int][]sequence.Part{}
	var encoder sequence.Encoder
	var decoder sequence.Decoder
	for _, at := range order {
		for slice, s := range builders[at].Build() {
			block, err := encoder.Encode(s, at.UnixMicro())
			if err != nil {
				t.Fatal(err)
			}
			if s, err = decoder.Decode(block, need.Paths); err != nil {
				t.Fatal(err)
			}
			parts[slice] = append(parts[slice], sequence.Part{Sequences: s})
		}
	}
	for slice := range sequence.Slices {
		if err := run.AddSlice(slice, parts[slice]); err != nil {
			t.Fatal(err)
		}
	}
	a := run.Finish()
	if a.Response.Retention != nil {
		q.CloseCohorts(a.Response.Retention, now)
	}
	return a
}

// lookUp returns the property at a path.
func lookUp(t *testing.T, properties, path string) jsontext.Value {
	t.Helper()
	names, err := metric.Names(path)
	if err != nil {
		t.Fatal(err)
	}
	at := jsontext.Value(properties)
	for _, name := range names {
		var members map[string]jsontext.Value
		if json.Unmarshal(at, &members) != nil {
			return nil
		}
		at = members[name]
	}
	return at
}

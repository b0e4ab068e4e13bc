package warehouse_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/sequence"
	"github.com/streamctl/streamctl/internal/testkit/recount"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// recorder records the slices that it gets, each after a time.
type recorder struct {
	*insight.Run
	slices [sequence.Slices]bool
	wait   time.Duration
}

func (r *recorder) AddSlice(slice int, parts []sequence.Part) error {
	<-time.After(r.wait)
	r.slices[slice] = true
	return r.Run.AddSlice(slice, parts)
}

// crowd fills a history with events of 300 users, of whom 200 are 100 persons.
func crowd(t *testing.T) *history {
	t.Helper()
	first := noon.Truncate(24 * time.Hour)
	h := newHistory(t, shared.Warehouse(t, first, first.AddDate(0, 0, historyDays+5)), 77)
	h.now = first.AddDate(0, 0, historyDays)
	events := func(n int) (all []event.Event) {
		for range n {
			age := time.Duration(h.r.Int64N(int64(h.now.Sub(first) / time.Minute)))
			all = append(all, event.Event{
				ID: uuid.Must(uuid.NewRandomFromReader(randomBytes{h.r})), UserID: fmt.Sprintf("person%d", h.r.IntN(300)), Type: recount.Types[h.r.IntN(len(recount.Types))],
				Timestamp: h.now.Add(-age * time.Minute).Truncate(time.Minute), Properties: []byte(recount.RandomProperties(h.r)),
			})
		}
		return all
	}
	conn := h.d.Conn(t)
	for n := range 100 {
		id, user := fmt.Sprintf("person%d", 2*n), fmt.Sprintf("person%d", 2*n+1)
		h.links[id] = user
		_, err := conn.Exec(t.Context(), `WITH i AS (INSERT INTO identity VALUES ($1, $2, now(), gen_random_uuid()) RETURNING user_id) INSERT INTO identity_user SELECT user_id, 1 FROM i`, id, user)
		if err != nil {
			t.Fatal(err)
		}
	}
	left := 60 // some hours stay unpacked
	load := func() {
		t.Helper()
		if err := h.load(h.loader, h.chunk(events(1000))); err != nil {
			t.Fatal(err)
		}
	}
	load()
	if _, err := (&warehouse.Sequences{DB: h.owner}).Pack(t.Context(), h.now, func() bool { left--; return left > 0 }); err != nil {
		t.Fatal(err)
	}
	load() // late events of packed hours
	return h
}

// partial asks a question with little memory or time, and compares the answer with a
// recount of the events of the persons all of whose ids are in slices that were read.
func (h *history) partial(ctx context.Context, q insight.Question, r warehouse.SequenceRequest, wait time.Duration) (info warehouse.SequenceInfo, err error) {
	run := &recorder{Run: insight.NewRun(q), wait: wait}
	need := run.Need()
	r.From, r.To, r.Types, r.Paths = need.From, need.To, need.Types, need.Paths
	if info, err = (&warehouse.Sequences{DB: h.reader}).Read(ctx, r, run); err != nil {
		return info, err
	}
	got := run.Finish()
	if got.Response.Retention != nil {
		q.CloseCohorts(got.Response.Retention, h.now)
	}
	missing := map[string]bool{}
	for id, user := range h.links {
		missing[user] = missing[user] || !run.slices[sequence.Slice(sequence.Hash(id))] || !run.slices[sequence.Slice(sequence.Hash(user))]
	}
	var events []recount.Event
	for _, e := range h.byPerson() {
		if linked, ok := missing[e.User]; ok && !linked || !ok && run.slices[sequence.Slice(sequence.Hash(e.User))] {
			events = append(events, e)
		}
	}
	if want := float64(info.Slices) / sequence.Slices; got.Response.UserShare != want {
		return info, fmt.Errorf("share %v, %d slices", got.Response.UserShare, info.Slices)
	}
	got.Response.UserShare = 1
	if same, text := recount.Same(got, recount.Answer(q, events, h.now)); !same {
		return info, fmt.Errorf("%+v: %s", q, text)
	}
	return info, nil
}

// TestPartialAnswers asks questions of each kind with too little memory and too little
// time: the answer is exact for the users that it includes.
func TestPartialAnswers(t *testing.T) {
	h := crowd(t)
	type count struct{ memory, time, whole int }
	counts := map[string]*count{}
	for _, kind := range append(api.Questions(), api.MetricEvents, api.MetricUsers) {
		counts[kind] = &count{}
	}
	enough := func() bool {
		for _, c := range counts {
			if c.memory < 3 || c.time < 1 {
				return false
			}
		}
		return true
	}
	for n := 0; !enough(); n++ {
		if n == 2000 {
			t.Fatalf("%d questions give too few partial answers", n)
		}
		q, err := recount.RandomQuestion(h.r, h.first, h.now, h.now)
		if err != nil {
			continue
		}
		c := counts[q.Kind]
		r := warehouse.SequenceRequest{Budget: time.Minute, Memory: 1000 << h.r.IntN(10)}
		wait := time.Duration(0)
		if c.memory >= 3 {
			if c.time > 0 {
				continue
			}
			r.Budget, r.Memory, wait = 300*time.Millisecond, 256<<20, 8*time.Millisecond
		}
		info, err := h.partial(t.Context(), q, r, wait)
		switch {
		case errors.Is(err, warehouse.ErrQuestionTooLarge):
		case err != nil:
			t.Fatalf("memory %d, budget %s: %v", r.Memory, r.Budget, err)
		case info.Slices == sequence.Slices:
			c.whole++
		case info.Full:
			c.memory++
		default:
			c.time++
		}
	}
	for kind, c := range counts {
		t.Logf("%s: partial for lack of memory %d, of time %d; whole %d", kind, c.memory, c.time, c.whole)
	}
}

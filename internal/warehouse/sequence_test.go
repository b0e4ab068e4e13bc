package warehouse_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/sequence"
	"github.com/streamctl/streamctl/internal/testkit/recount"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// history is a random history of a warehouse, with the events that it must have.
type history struct {
	t      *testing.T
	r      *rand.Rand
	d      *postgres.Database
	loader *warehouse.DB
	second *warehouse.DB
	owner  *warehouse.DB
	reader *warehouse.DB
	first  time.Time
	now    time.Time
	floor  time.Time
	stored map[string]recount.Event
	sent   []event.Event
	chunks int
	// links maps ids to the user whose id they are.
	links   map[string]string
	comment string
}

const historyDays = 6

// questionPaths are the properties of random questions.
var questionPaths = []string{"properties.country", "properties.amount", `properties."a b".c`, "properties.vip", "properties.missing"}

func newHistory(t *testing.T, d *postgres.Database, seed uint64) *history {
	t.Helper()
	h := historyOf(t, d, seed)
	if err := h.owner.SetInsightProperties(t.Context(), questionPaths); err != nil {
		t.Fatal(err)
	}
	return h
}

func identityOf(e event.Event) string {
	return hex.EncodeToString(e.ID[:]) + strconv.FormatInt(e.Timestamp.UnixMicro(), 10)
}

// events returns the events of a chunk: new ones, mostly recent, and some that were sent
// before, perhaps with other properties.
func (h *history) events() []event.Event {
	var all []event.Event
	for range 1 + h.r.IntN(60) {
		if len(h.sent) > 0 && h.r.IntN(4) == 0 {
			e := h.sent[h.r.IntN(len(h.sent))]
			if h.r.IntN(2) == 0 {
				e.Properties = []byte(recount.RandomProperties(h.r))
			}
			all = append(all, e)
			continue
		}
		age := time.Duration(h.r.Int64N(int64(3*time.Hour) / int64(time.Minute)))
		if h.r.IntN(3) == 0 {
			age = time.Duration(h.r.Int64N(int64(h.now.Sub(h.first) / time.Minute)))
		}
		id := uuid.Must(uuid.NewRandomFromReader(randomBytes{h.r}))
		e := event.Event{
			ID: id, UserID: fmt.Sprintf("user%d", h.r.IntN(9)), Type: recount.Types[h.r.IntN(len(recount.Types))],
			Timestamp: h.now.Add(-age * time.Minute).Truncate(time.Minute), Properties: []byte(recount.RandomProperties(h.r)),
		}
		h.sent = append(h.sent, e)
		all = append(all, e)
	}
	return all
}

type randomBytes struct{ r *rand.Rand }

func (b randomBytes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b.r.Uint32())
	}
	return len(p), nil
}

// chunk returns events as a chunk, and records what it stores.
func (h *history) chunk(events []event.Event) warehouse.Chunk {
	h.chunks++
	var rows []warehouse.Row
	for i, e := range events {
		rows = append(rows, warehouse.Row{Event: e, ReceivedAt: h.now, ArrivedAt: h.now, Record: i, Seq: fmt.Sprintf("%06d-%06d", h.chunks, i)})
		if _, again := h.stored[identityOf(e)]; !again && !e.Timestamp.Before(h.floor) {
			h.stored[identityOf(e)] = recount.Event{User: e.UserID, Type: e.Type, Order: hex.EncodeToString(e.ID[:]), At: e.Timestamp, Properties: string(e.Properties)}
		}
	}
	c := chunk(rows)
	c.FirstSeq = strconv.Itoa(h.chunks)
	return c
}

func (h *history) load(db *warehouse.DB, c warehouse.Chunk) error {
	for {
		_, err := db.Load(h.t.Context(), c)
		if warehouse.NeedsDays(err) {
			if _, err := h.owner.EnsurePartitions(h.t.Context(), h.now, h.now, pauseNot); err != nil {
				return err
			}
			continue
		}
		return err
	}
}

func pauseNot(context.Context, time.Duration) error { return nil }

// step changes the history at random.
func (h *history) step() {
	h.t.Helper()
	sequences := &warehouse.Sequences{DB: h.owner}
	ctx := h.t.Context()
	must := func(err error) {
		if err != nil {
			h.t.Fatal(err)
		}
	}
	always := func() bool { return true }
	switch n := h.r.IntN(20); {
	case n < 8:
		must(h.load(h.loader, h.chunk(h.events())))
	case n < 11: // loads while a packer works
		one := h.events()
		other := slices.DeleteFunc(h.events(), func(e event.Event) bool { // or either could be first
			return slices.ContainsFunc(one, func(o event.Event) bool { return o.ID == e.ID })
		})
		first, second := h.chunk(one), h.chunk(other)
		done := make(chan error, 2)
		go func() { done <- h.load(h.loader, first) }()
		go func() { done <- h.load(h.second, second) }()
		_, err := sequences.Pack(ctx, h.now, always)
		must(errors.Join(err, <-done, <-done))
	case n < 13:
		h.now = h.now.Add(time.Duration(h.r.IntN(20)) * time.Hour)
	case n < 15:
		left := h.r.IntN(30)
		_, err := sequences.Pack(ctx, h.now, func() bool { left--; return left > 0 })
		must(err)
	case n == 15:
		day := h.first.Add(time.Duration(h.r.IntN(historyDays)) * 24 * time.Hour)
		must(sequences.Forget(ctx, day, day.Add(time.Duration(1+h.r.IntN(30))*time.Hour)))
	case n == 17 && h.r.IntN(2) == 0:
		must(h.owner.SetInsightProperties(ctx, questionPaths[:h.r.IntN(len(questionPaths)+1)]))
	case n == 16:
		h.link()
	case n == 18:
		h.loadLikeEarlierVersion()
	default:
		h.drop()
	}
}

// link links two ids that are not linked yet.
func (h *history) link() {
	h.t.Helper()
	id, user := fmt.Sprintf("user%d", 2*h.r.IntN(3)), fmt.Sprintf("user%d", 1+2*h.r.IntN(2))
	if h.links[id] != "" {
		return
	}
	h.links[id] = user
	_, err := h.d.Conn(h.t).Exec(h.t.Context(), `WITH i AS (INSERT INTO identity VALUES ($1, $2, now(), gen_random_uuid()) RETURNING user_id)
		INSERT INTO identity_user (user_id, links) SELECT user_id, 1 FROM i ON CONFLICT (user_id) DO UPDATE SET links = identity_user.links + 1`, id, user)
	if err != nil {
		h.t.Fatal(err)
	}
}

// byPerson returns the stored events by person.
func (h *history) byPerson() (all []recount.Event) {
	for _, e := range h.stored {
		e.Order = fmt.Sprintf("%016x", sequence.Hash(e.User)) + e.Order
		if user := h.links[e.User]; user != "" {
			e.User = user
		}
		all = append(all, e)
	}
	return all
}

// loadLikeEarlierVersion loads as a version without sequences does.
func (h *history) loadLikeEarlierVersion() {
	h.t.Helper()
	if err := h.load(h.loader, h.chunk(h.events())); err != nil {
		h.t.Fatal(err)
	}
	conn := h.d.Conn(h.t)
	_, err := conn.Exec(h.t.Context(), `WITH batch AS (UPDATE load_batch SET sequenced = false WHERE id = (SELECT max(id) FROM load_batch) RETURNING loaded_at)
		DELETE FROM sequence_stale s USING batch WHERE s.at = batch.loaded_at`)
	if err != nil {
		h.t.Fatal(err)
	}
}

// drop drops the oldest day, which is at least three days old.
func (h *history) drop() {
	h.t.Helper()
	floor := h.floor.Add(24 * time.Hour)
	if h.floor.IsZero() {
		floor = h.first.Add(24 * time.Hour)
	}
	if h.now.Sub(floor) < 72*time.Hour {
		return
	}
	conn := h.d.Conn(h.t)
	_, err := conn.Exec(h.t.Context(), `INSERT INTO reconciled_hour (hour, lines, missing, unarchived)
		SELECT DISTINCT date_trunc('hour', arrived_at, 'UTC'), 0, 0, 0 FROM events ON CONFLICT DO NOTHING`)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.owner.DropDays(h.t.Context(), floor, pauseNot); err != nil {
		h.t.Fatal(err)
	}
	h.floor = floor
	maps.DeleteFunc(h.stored, func(_ string, e recount.Event) bool { return e.At.Before(floor) })
	if err := (&warehouse.Sequences{DB: h.owner}).DropBefore(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// ask answers a question from the warehouse.
func ask(ctx context.Context, db *warehouse.DB, q insight.Question, now time.Time) (insight.Answer, error) {
	run := insight.NewRun(q)
	need := run.Need()
	info, err := (&warehouse.Sequences{DB: db}).Read(ctx, warehouse.SequenceRequest{
		From: need.From, To: need.To, Types: need.Types, Paths: need.Paths, Budget: time.Minute, Memory: 256 << 20,
	}, run)
	if err != nil {
		return insight.Answer{}, err
	}
	a := run.Finish()
	if info.Slices != 64 {
		err = fmt.Errorf("%d slices", info.Slices)
	}
	if a.Response.Retention != nil {
		q.CloseCohorts(a.Response.Retention, now)
	}
	return a, err
}

// checkCounts counts the events of each day.
func (h *history) checkCounts() {
	h.t.Helper()
	q, err := insight.Filtered(api.MetricEvents, "missing!=1", "", h.first, h.first.AddDate(0, 0, historyDays), 24*time.Hour)
	if err != nil {
		h.t.Fatal(err)
	}
	h.compare(q, h.byPerson())
}

func (h *history) compare(q insight.Question, events []recount.Event) {
	h.t.Helper()
	got, err := ask(h.t.Context(), h.reader, q, h.now)
	if err != nil {
		h.t.Fatal(err)
	}
	if same, text := recount.Same(got, recount.Answer(q, events, h.now)); !same {
		h.t.Fatalf("%s: %+v\n%s", h.comment, q, text)
	}
}

// check asks random questions.
func (h *history) check(questions int) {
	h.t.Helper()
	events := h.byPerson()
	for range questions {
		q, err := recount.RandomQuestion(h.r, h.first, h.now, h.now)
		if err != nil {
			continue
		}
		h.compare(q, events)
	}
}

// TestSequencesEqualARecount compares answers with a plain recount of what was sent,
// after random loads, packings and deletions. STREAMCTL_TEST_SETS is the number of
// histories.
func TestSequencesEqualARecount(t *testing.T) {
	sets := 8
	if text := os.Getenv("STREAMCTL_TEST_SETS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		sets = n
	}
	for seed := range uint64(sets) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			first := noon.Truncate(24 * time.Hour)
			h := newHistory(t, shared.Warehouse(t, first, first.AddDate(0, 0, historyDays+5)), seed)
			for step := range 25 {
				h.comment = fmt.Sprintf("seed %d, step %d", seed, step)
				h.step()
				if step%3 == 2 {
					h.checkCounts()
					h.check(4)
				}
			}
		})
	}
}

func spanCount(t *testing.T, conn *pgx.Conn, where string) int64 {
	t.Helper()
	return number(t, conn, "SELECT count(*) FROM sequence_span WHERE "+where)
}

func TestPackJoinsHoursToDays(t *testing.T) {
	first := noon.Truncate(24 * time.Hour)
	d := shared.Warehouse(t, first, first.AddDate(0, 0, 2))
	conn, sequences := d.Conn(t), &warehouse.Sequences{DB: d.As(t, contract.RoleOwner)}
	load(t, d.As(t, contract.RoleLoader), chunk(rows(5000, func(i int, r *warehouse.Row) {
		r.Event.Timestamp = first.Add(time.Duration(i) * 17 * time.Second)
	})))
	pack := func(now time.Time) {
		t.Helper()
		if _, err := sequences.Pack(t.Context(), now, func() bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	pack(first.Add(10*time.Hour + 4*time.Minute))
	if n := spanCount(t, conn, "packed_at IS NOT NULL"); n != 9 {
		t.Errorf("%d hours packed, want 9: the tenth has just ended", n)
	}
	pack(first.Add(26 * time.Hour))
	if n := spanCount(t, conn, "span_end - span_start = interval '1 hour'"); n != 25 {
		t.Errorf("%d hours packed, want 25", n)
	}
	pack(first.Add(28 * time.Hour))
	if n := spanCount(t, conn, "span_end - span_start = interval '1 day' AND events = 5000"); n != 1 {
		t.Errorf("%d days packed, want 1 with 5000 events", n)
	}
	if n := number(t, conn, "SELECT sum(bytes) FROM sequence_span"); n != number(t, conn, "SELECT sum(length(data)) FROM sequence_block") || n > 5000*8 {
		t.Errorf("spans have %d bytes", n)
	}
	if n := number(t, conn, "SELECT count(DISTINCT span_start) FROM sequence_block"); n != 1 {
		t.Errorf("blocks of %d spans remain", n)
	}
}

// TestEarlierLoaderMakesSpansUnusable loads late events as a version without sequences.
func TestEarlierLoaderMakesSpansUnusable(t *testing.T) {
	first := noon.Truncate(24 * time.Hour)
	h := newHistory(t, shared.Warehouse(t, first, first.AddDate(0, 0, 1)), 1)
	h.now = first.Add(20 * time.Hour)
	sequences := &warehouse.Sequences{DB: h.owner}
	for range 5 {
		if err := h.load(h.loader, h.chunk(h.events())); err != nil {
			t.Fatal(err)
		}
	}
	pack := func() {
		t.Helper()
		if _, err := sequences.Pack(t.Context(), h.now, func() bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	pack()
	h.loadLikeEarlierVersion()
	if n := number(t, h.d.Conn(t), "SELECT count(*) FROM sequence_stale"); n != 0 {
		t.Fatalf("%d rows of the earlier loader", n)
	}
	h.checkCounts()
	pack()
	h.checkCounts()
	conn := h.d.Conn(t)
	if _, err := conn.Exec(t.Context(), "UPDATE load_batch SET sequenced = true"); err != nil {
		t.Fatal(err)
	}
	h.checkCounts() // the blocks have the events now
}

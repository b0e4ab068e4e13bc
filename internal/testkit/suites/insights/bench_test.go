package insights

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/testkit/bench"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

var shared postgres.Shared

func TestMain(m *testing.M) {
	if os.Getenv(childURL) != "" {
		if err := child(context.Background(), os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(shared.Run(m))
}

var start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// sized returns the number of events: small, or STREAMCTL_INSIGHT_EVENTS.
func sized(b *testing.B) int {
	b.Helper()
	return bench.Size(b, "STREAMCTL_INSIGHT_EVENTS", 30_000)
}

// comparison is a question beside plain SQL.
type comparison struct {
	name       string
	kind       string
	parameters map[string]string
	sql        string
	args       []any
	// value returns the number that both must give.
	value func(insight.Answer) int64
	// faster is the goal for the speed beside plain SQL; 0 means none.
	faster float64
}

func comparisons(end time.Time) []comparison {
	text := func(t time.Time) string { return t.Format(time.RFC3339) }
	month, weeks, week := end.AddDate(0, 0, -37), start, end.AddDate(0, 0, -8) // weeks begin on a Monday
	return []comparison{
		{
			"funnel of 3 steps, 30 days", "funnel",
			map[string]string{"steps": "page_view, add_to_cart, purchase", "from": text(month), "to": text(month.AddDate(0, 0, 30))},
			`WITH a AS (SELECT user_id, min(timestamp) AS t FROM events WHERE event_type = 'page_view' AND timestamp >= $1 AND timestamp < $2 GROUP BY 1),
				b AS (SELECT a.user_id, a.t AS first, min(e.timestamp) AS t FROM a JOIN events e ON e.user_id = a.user_id AND e.event_type = 'add_to_cart'
					AND e.timestamp > a.t AND e.timestamp <= a.t + interval '7 days' AND e.timestamp >= $1 AND e.timestamp < $2::timestamptz + interval '7 days' GROUP BY 1, 2),
				c AS (SELECT b.user_id, min(e.timestamp) AS t FROM b JOIN events e ON e.user_id = b.user_id AND e.event_type = 'purchase'
					AND e.timestamp > b.t AND e.timestamp <= b.first + interval '7 days' AND e.timestamp >= $1 AND e.timestamp < $2::timestamptz + interval '7 days' GROUP BY 1)
			SELECT count(*), (SELECT count(*) FROM b), (SELECT count(*) FROM c) FROM a`,
			[]any{month, month.AddDate(0, 0, 30)}, func(a insight.Answer) int64 { return a.Response.Funnel.Steps[0].Users }, 10,
		},
		{
			"retention by week, 8 weeks", "retention",
			map[string]string{"start": "page_view", "return": "*", "from": text(weeks), "to": text(weeks.AddDate(0, 0, 56))},
			`WITH a AS (SELECT user_id, min(timestamp) AS t FROM events WHERE event_type = 'page_view' AND timestamp >= $1 AND timestamp < $2 GROUP BY 1),
				r AS (SELECT date_trunc('week', a.t) AS w, date_trunc('week', e.timestamp) AS p, count(DISTINCT a.user_id) AS n
					FROM a JOIN events e ON e.user_id = a.user_id AND e.timestamp > a.t AND e.timestamp >= $1 GROUP BY 1, 2)
			SELECT (SELECT count(*) FROM a), sum(n)::bigint, count(*) FROM r`,
			[]any{weeks, weeks.AddDate(0, 0, 56)}, func(a insight.Answer) (n int64) {
				for _, c := range a.Response.Retention.Cohorts {
					n += c.Users
				}
				return n
			}, 10,
		},
		{
			"sessions, a week", "sessions", map[string]string{"from": text(week), "to": text(week.AddDate(0, 0, 7))},
			`WITH e AS (SELECT user_id, timestamp, event_type, lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp, event_id) AS before
					FROM events WHERE timestamp >= $1::timestamptz - interval '30 minutes' AND timestamp < $2::timestamptz + interval '1 day'),
				s AS (SELECT *, sum((before IS NULL OR timestamp - before > interval '30 minutes')::int) OVER (PARTITION BY user_id ORDER BY timestamp) AS n FROM e),
				l AS (SELECT user_id, n, min(timestamp) AS a, max(timestamp) - min(timestamp) AS d, count(*) AS c FROM s GROUP BY 1, 2)
			SELECT count(*), (percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d)))::bigint, sum(c)::bigint FROM l WHERE a >= $1 AND a < $2`,
			[]any{week, week.AddDate(0, 0, 7)}, func(a insight.Answer) int64 { return a.Response.Sessions.Sessions }, 0,
		},
		{
			"breakdown by an undeclared property, a week", "breakdown",
			map[string]string{"event": "purchase", "by": "device", "property": "amount", "from": text(week), "to": text(week.AddDate(0, 0, 7))},
			`SELECT sum(n)::bigint, sum(u)::bigint, count(*) FROM (SELECT properties->>'device', count(*) AS n, count(DISTINCT user_id) AS u, sum((properties->>'amount')::numeric),
				percentile_disc(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY (properties->>'amount')::numeric)
				FROM events WHERE event_type = 'purchase' AND timestamp >= $1 AND timestamp < $2 GROUP BY 1) g`,
			[]any{week, week.AddDate(0, 0, 7)}, func(a insight.Answer) (n int64) {
				for _, g := range a.Response.Breakdown.Groups {
					n += g.Count
				}
				return n
			}, 0,
		},
	}
}

// fill loads the events of a spread and their rollups.
func fill(t testing.TB, conn *pgx.Conn, s *Spread) {
	t.Helper()
	if _, err := conn.CopyFrom(t.Context(), pgx.Identifier{"events"}, Columns, s); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO metric_minute (metric, bucket, dimension, slot, rev, n)
			SELECT 'events', date_trunc('minute', timestamp), event_type, 0, 1, count(*) FROM events GROUP BY 2, 3`,
		"ANALYZE events", "ANALYZE metric_minute",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// ask answers a question, and returns the time that it took.
func ask(ctx context.Context, db *warehouse.DB, q insight.Question) (insight.Answer, time.Duration, error) {
	begun := time.Now()
	run := insight.NewRun(q)
	n := run.Need()
	info, err := (&warehouse.Sequences{DB: db}).Read(ctx, warehouse.SequenceRequest{From: n.From, To: n.To, Types: n.Types, Paths: n.Paths, Budget: time.Minute, Memory: 256 << 20}, run)
	if err != nil {
		return insight.Answer{}, 0, err
	}
	if info.Slices != 64 {
		return insight.Answer{}, 0, fmt.Errorf("%d slices", info.Slices)
	}
	return run.Finish(), time.Since(begun), nil
}

// BenchmarkQuestions compares questions with plain SQL, times and results, for users with
// sessions and for events that are spread evenly.
func BenchmarkQuestions(b *testing.B) {
	for _, sessions := range []bool{true, false} {
		name := map[bool]string{true: "sessions", false: "even"}[sessions]
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				questions(b, name, sessions)
			}
		})
	}
}

func questions(b *testing.B, name string, sessions bool) {
	b.Helper()
	const days = 60
	events := sized(b)
	d := shared.Warehouse(b, start, start.AddDate(0, 0, days))
	conn, owner, reader := d.Conn(b), d.As(b, contract.RoleOwner), d.As(b, contract.RoleReader)
	end := start.AddDate(0, 0, days)
	fill(b, conn, &Spread{Events: events, Users: events / 20, Days: days, Sessions: sessions, Start: start, Seed: 1})
	if err := owner.SetInsightProperties(b.Context(), []string{"properties.country"}); err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	if _, err := (&warehouse.Sequences{DB: owner}).Pack(b.Context(), end.Add(4*time.Hour), func() bool { return true }); err != nil {
		b.Fatal(err)
	}
	packed := time.Since(begun)
	var total, size, table int64
	err := conn.QueryRow(b.Context(), `SELECT (SELECT sum(events) FROM sequence_span)::bigint, (SELECT sum(bytes) FROM sequence_span)::bigint,
		(SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'events'::regclass)::bigint`).Scan(&total, &size, &table)
	if err != nil || total != int64(events) {
		b.Fatalf("%d events packed: %v", total, err)
	}
	figures := []bench.Figure{
		{Name: name + ": bytes per event in sequences", Unit: "bytes", Samples: bench.One(float64(size) / float64(events))},
		{Name: name + ": events packed per second", Unit: "events/s", Samples: bench.Rates(events, []time.Duration{packed})},
	}
	for _, c := range comparisons(end) {
		figures = append(figures, compare(b, conn, reader, name, c, end)...)
	}
	bench.Report(b, "insights", figures...)
}

// compare answers a question eight times, the first time to warm up, and runs the plain
// SQL after every second answer.
func compare(b *testing.B, conn *pgx.Conn, reader *warehouse.DB, name string, c comparison, now time.Time) []bench.Figure {
	b.Helper()
	q, err := insight.Read(c.kind, c.parameters, now)
	if err != nil {
		b.Fatal(err)
	}
	var times, plain []time.Duration
	for i := range 8 {
		a, took, err := ask(b.Context(), reader, q)
		if err != nil {
			b.Fatalf("%s: %v", c.name, err)
		}
		if i == 0 {
			continue
		}
		times = append(times, took)
		if i%2 == 0 {
			continue
		}
		var n, second, third int64
		begun := time.Now()
		if err := conn.QueryRow(b.Context(), c.sql, c.args...).Scan(&n, &second, &third); err != nil {
			b.Fatalf("%s: %v", c.name, err)
		}
		plain = append(plain, time.Since(begun))
		if got := c.value(a); got != n {
			b.Errorf("%s: %d, plain SQL %d", c.name, got, n)
		}
	}
	median := bench.Median(times)
	ratios := make([]float64, len(plain))
	for i, p := range plain {
		ratios[i] = float64(p) / float64(median)
	}
	// A goal is for many events: 30,000 take milliseconds in any way.
	faster := bench.Figure{Name: name + ": " + c.name + ", speed beside plain SQL", Samples: ratios}
	if c.faster > 0 {
		faster.Goal, faster.AtLeast = c.faster, true
	}
	return []bench.Figure{
		{Name: name + ": " + c.name + ", slowest", Unit: "ms", Samples: bench.One(float64(slices.Max(times).Microseconds()) / 1000), Goal: 2000},
		faster,
	}
}

// chunkOf returns n events of now as a chunk.
func chunkOf(n, number int, at time.Time) warehouse.Chunk {
	rows := make([]warehouse.Row, n)
	for i := range rows {
		rows[i] = warehouse.Row{
			Event:      event.Event{ID: uuid.New(), UserID: fmt.Sprintf("user-%d", i%97), Type: types[i%len(types)], Timestamp: at.Add(time.Duration(i) * time.Millisecond), Properties: []byte(`{"country":"DE"}`)},
			ReceivedAt: at, ArrivedAt: at, Record: i, Seq: fmt.Sprintf("%09d-%06d", number, i),
		}
	}
	return warehouse.Chunk{
		Shard: "shardId-000000000000", FirstSeq: strconv.Itoa(number), LastSeq: strconv.Itoa(number), Records: n,
		Decode: func(i int) ([]warehouse.Row, []warehouse.Rejected) { return rows[i : i+1], nil },
		Keep:   func(context.Context, []warehouse.Rejected) (string, error) { return "", errors.New("rejected") },
	}
}

// loader loads chunks of 1,000 events.
type loader struct {
	db   *warehouse.DB
	made int
	took []time.Duration
}

func (l *loader) load(b *testing.B, at time.Time) {
	b.Helper()
	l.made++
	c := chunkOf(1000, l.made, at)
	begun := time.Now()
	if _, err := l.db.Load(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	l.took = append(l.took, time.Since(begun))
}

// times returns the times of the chunks since the last call.
func (l *loader) times() []time.Duration {
	took := l.took
	l.took = nil
	return took
}

// BenchmarkLoads compares the times of loads into a warehouse without and one
// with packed spans, in turns, for late events too, and while questions are asked in a
// loop.
func BenchmarkLoads(b *testing.B) {
	for b.Loop() {
		loads(b)
	}
}

func loads(b *testing.B) {
	b.Helper()
	const days = 60
	events, end := sized(b), start.AddDate(0, 0, days)
	var reader *warehouse.DB
	var without, with loader
	for _, l := range []*loader{&without, &with} {
		d := shared.Warehouse(b, start, end)
		fill(b, d.Conn(b), &Spread{Events: events, Users: events / 20, Days: days, Sessions: true, Start: start, Seed: 2})
		l.db, reader = d.As(b, contract.RoleLoader), d.As(b, contract.RoleReader)
		if l == &with {
			if _, err := (&warehouse.Sequences{DB: d.As(b, contract.RoleOwner)}).Pack(b.Context(), end, func() bool { return true }); err != nil {
				b.Fatal(err)
			}
		}
	}
	chunks := 10
	if events > 100_000 {
		chunks = 80
	}
	inTurns := func(at time.Time) []float64 {
		for range chunks {
			without.load(b, at)
			with.load(b, at)
		}
		return bench.Ratios(without.times(), with.times())
	}
	inTurns(end) // warm
	rate, late := inTurns(end), inTurns(end.AddDate(0, 0, -3))
	ctx, stop := context.WithCancel(b.Context())
	asked := make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			c := comparisons(end)[n%4]
			q, err := insight.Read(c.kind, c.parameters, end)
			if err == nil {
				_, _, err = ask(ctx, reader, q)
			}
			if err != nil {
				asked <- err
				return
			}
		}
	}()
	for range chunks {
		with.load(b, end)
	}
	stop()
	if err := <-asked; ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		b.Errorf("questions: %v", err)
	}
	slices.Sort(with.took)
	p95 := with.took[len(with.took)*95/100]
	bench.Report(b, "insights",
		bench.Figure{Name: "loading with sequences beside without", Samples: rate, Goal: 0.9, AtLeast: true},
		bench.Figure{Name: "the same, all events three days late", Samples: late, Goal: 0.9, AtLeast: true},
		bench.Figure{Name: "load of 1,000 events beside questions in a loop, p95", Unit: "ms", Samples: bench.One(float64(p95.Microseconds()) / 1000), Goal: 1000},
	)
	if p95 > 5*time.Second {
		b.Errorf("a load takes %s beside questions", p95)
	}
}

// TestOneUserWithManyEvents packs a day in which one user has nearly all events, and
// answers every kind of question about it.
func TestOneUserWithManyEvents(t *testing.T) {
	const events = 30_000
	d := shared.Warehouse(t, start, start.AddDate(0, 0, 1))
	conn, owner, reader := d.Conn(t), d.As(t, contract.RoleOwner), d.As(t, contract.RoleReader)
	fill(t, conn, &Spread{Events: events, Users: 1, Days: 1, Start: start, Seed: 3})
	begun := time.Now()
	if _, err := (&warehouse.Sequences{DB: owner}).Pack(t.Context(), start.AddDate(0, 0, 2), func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events of one user packed in %s", events, time.Since(begun).Round(time.Millisecond))
	for _, p := range []map[string]string{
		{"kind": "funnel", "steps": "page_view, page_view, click, purchase"}, {"kind": "retention", "start": "*", "return": "*", "unit": "day"},
		{"kind": "sessions"}, {"kind": "breakdown", "event": "*", "by": "eventType"}, {"kind": "paths", "event": "*"},
	} {
		kind := p["kind"]
		delete(p, "kind")
		p["from"], p["to"] = start.Format(time.RFC3339), start.AddDate(0, 0, 1).Format(time.RFC3339)
		q, err := insight.Read(kind, p, start.AddDate(0, 0, 2))
		if err != nil {
			t.Fatal(err)
		}
		a, took, err := ask(t.Context(), reader, q)
		if err != nil || a.Response.EventsRead != int64(events) {
			t.Fatalf("%s: %d events read: %v", kind, a.Response.EventsRead, err)
		}
		t.Logf("%s: %s", kind, took.Round(time.Millisecond))
	}
}

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
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

var shared postgres.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

var start = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

// sized returns the number of events: small, or STREAMCTL_INSIGHT_EVENTS.
func sized(t *testing.T) int {
	t.Helper()
	text := os.Getenv("STREAMCTL_INSIGHT_EVENTS")
	if text == "" {
		return 30_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
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
			[]any{month, month.AddDate(0, 0, 30)}, func(a insight.Answer) int64 { return a.Response.Funnel.Steps[0].Users },
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
			},
		},
		{
			"sessions, a week", "sessions", map[string]string{"from": text(week), "to": text(week.AddDate(0, 0, 7))},
			`WITH e AS (SELECT user_id, timestamp, event_type, lag(timestamp) OVER (PARTITION BY user_id ORDER BY timestamp, event_id) AS before
					FROM events WHERE timestamp >= $1::timestamptz - interval '30 minutes' AND timestamp < $2::timestamptz + interval '1 day'),
				s AS (SELECT *, sum((before IS NULL OR timestamp - before > interval '30 minutes')::int) OVER (PARTITION BY user_id ORDER BY timestamp) AS n FROM e),
				l AS (SELECT user_id, n, min(timestamp) AS a, max(timestamp) - min(timestamp) AS d, count(*) AS c FROM s GROUP BY 1, 2)
			SELECT count(*), (percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d)))::bigint, sum(c)::bigint FROM l WHERE a >= $1 AND a < $2`,
			[]any{week, week.AddDate(0, 0, 7)}, func(a insight.Answer) int64 { return a.Response.Sessions.Sessions },
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
			},
		},
	}
}

// fill loads the events of a spread and their rollups.
func fill(t *testing.T, conn *pgx.Conn, s *Spread) {
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
	info, err := (&warehouse.Sequences{DB: db}).Read(ctx, warehouse.SequenceRequest{From: n.From, To: n.To, Types: n.Types, Paths: n.Paths, Budget: time.Minute}, run)
	if err != nil {
		return insight.Answer{}, 0, err
	}
	if info.Slices != 64 {
		return insight.Answer{}, 0, fmt.Errorf("%d slices", info.Slices)
	}
	a, err := run.Finish()
	return a, time.Since(begun), err
}

// TestQuestionsBesidePlainSQL compares times and results. With STREAMCTL_INSIGHT_EVENTS
// it is a measurement; otherwise it checks the results.
func TestQuestionsBesidePlainSQL(t *testing.T) {
	const days = 60
	events := sized(t)
	for _, sessions := range []bool{true, false} {
		t.Run(map[bool]string{true: "sessions", false: "uniform"}[sessions], func(t *testing.T) {
			d := shared.Warehouse(t, start, start.AddDate(0, 0, days))
			conn, owner, reader := d.Conn(t), d.As(t, contract.RoleOwner), d.As(t, contract.RoleReader)
			end := start.AddDate(0, 0, days)
			begun := time.Now()
			fill(t, conn, &Spread{Events: events, Users: events / 20, Days: days, Sessions: sessions, Start: start, Seed: 1})
			t.Logf("%d events filled in %s", events, time.Since(begun).Round(time.Second))
			if err := owner.SetInsightProperties(t.Context(), []string{"properties.country"}); err != nil {
				t.Fatal(err)
			}
			begun = time.Now()
			packed, err := (&warehouse.Sequences{DB: owner}).Pack(t.Context(), end.Add(4*time.Hour), func() bool { return true })
			if err != nil {
				t.Fatal(err)
			}
			var total, size, table int64
			err = conn.QueryRow(t.Context(), `SELECT (SELECT sum(events) FROM sequence_span)::bigint, (SELECT sum(bytes) FROM sequence_span)::bigint,
				(SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'events'::regclass)::bigint`).Scan(&total, &size, &table)
			if err != nil || total != int64(events) {
				t.Fatalf("%d events packed: %v", total, err)
			}
			t.Logf("%d spans packed in %s; %.1f bytes per event in blocks, %.0f in events", packed, time.Since(begun).Round(time.Second), float64(size)/float64(events), float64(table)/float64(events))
			for _, c := range comparisons(end) {
				compare(t, conn, reader, c, end)
			}
		})
	}
}

func compare(t *testing.T, conn *pgx.Conn, reader *warehouse.DB, c comparison, now time.Time) {
	t.Helper()
	q, err := insight.Read(c.kind, c.parameters, now)
	if err != nil {
		t.Fatal(err)
	}
	var times []time.Duration
	var a insight.Answer
	for range 8 {
		var took time.Duration
		if a, took, err = ask(t.Context(), reader, q); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		times = append(times, took)
	}
	times = times[1:] // warm
	slices.Sort(times)
	var plain []time.Duration
	var n, second, third int64
	for range 3 {
		begun := time.Now()
		if err := conn.QueryRow(t.Context(), c.sql, c.args...).Scan(&n, &second, &third); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		plain = append(plain, time.Since(begun))
	}
	slices.Sort(plain)
	if got := c.value(a); got != n {
		t.Errorf("%s: %d, plain SQL %d", c.name, got, n)
	}
	t.Logf("%s: median %s, slowest of 7 %s; plain SQL %s: %.1f times", c.name, times[3].Round(time.Millisecond), times[6].Round(time.Millisecond),
		plain[1].Round(time.Millisecond), float64(plain[1])/float64(times[3]))
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

func (l *loader) load(t *testing.T, at time.Time) {
	t.Helper()
	l.made++
	c := chunkOf(1000, l.made, at)
	begun := time.Now()
	if _, err := l.db.Load(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	l.took = append(l.took, time.Since(begun))
}

// median returns the median time of the chunks since the last call.
func (l *loader) median() time.Duration {
	slices.Sort(l.took)
	m := l.took[len(l.took)/2]
	l.took = nil
	return m
}

// TestLoadsBesideQuestions compares the times of loads into a warehouse without and one
// with packed spans, in turns, for late events too, and while questions are asked in a
// loop.
func TestLoadsBesideQuestions(t *testing.T) {
	const days = 60
	events, end := sized(t), start.AddDate(0, 0, days)
	var reader *warehouse.DB
	var without, with loader
	for _, l := range []*loader{&without, &with} {
		d := shared.Warehouse(t, start, end)
		fill(t, d.Conn(t), &Spread{Events: events, Users: events / 20, Days: days, Sessions: true, Start: start, Seed: 2})
		l.db, reader = d.As(t, contract.RoleLoader), d.As(t, contract.RoleReader)
		if l == &with {
			if _, err := (&warehouse.Sequences{DB: d.As(t, contract.RoleOwner)}).Pack(t.Context(), end, func() bool { return true }); err != nil {
				t.Fatal(err)
			}
		}
	}
	chunks := 10
	if events > 100_000 {
		chunks = 80
	}
	inTurns := func(at time.Time) (a, b time.Duration) {
		for range chunks {
			without.load(t, at)
			with.load(t, at)
		}
		return without.median(), with.median()
	}
	inTurns(end) // warm
	plain, packed := inTurns(end)
	latePlain, latePacked := inTurns(end.AddDate(0, 0, -3))
	ctx, stop := context.WithCancel(t.Context())
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
		with.load(t, end)
	}
	stop()
	if err := <-asked; ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("questions: %v", err)
	}
	slices.Sort(with.took)
	p95 := with.took[len(with.took)*95/100]
	t.Logf("%d chunks of 1,000 events: median without packed spans %s, with %s (rate %.2f); late %s and %s (rate %.2f); beside questions p95 %s", chunks,
		plain.Round(time.Microsecond), packed.Round(time.Microsecond), float64(plain)/float64(packed),
		latePlain.Round(time.Microsecond), latePacked.Round(time.Microsecond), float64(latePlain)/float64(latePacked), p95.Round(time.Millisecond))
	if p95 > 5*time.Second {
		t.Errorf("a load takes %s beside questions", p95)
	}
}

// TestOneUserWithManyEvents packs a day in which one user has nearly all events, and
// answers every kind of question about it.
func TestOneUserWithManyEvents(t *testing.T) {
	events := min(sized(t), 1_000_000)
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

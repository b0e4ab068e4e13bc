package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Check is one of the conditions that must hold.
type Check string

// The conditions.
const (
	Lost        Check = "lost"
	Duplicate   Check = "duplicate"
	Rollups     Check = "rollups"
	BelowFloor  Check = "below the floor"
	Redis       Check = "redis"
	Answers     Check = "answers"
	Queries     Check = "queries"
	Insights    Check = "insights"
	Archive     Check = "archive"
	Quarantine  Check = "quarantine"
	Invocations Check = "invocations"
)

// Report is the result of a run.
type Report struct {
	Seed uint64
	In   int
	// Killed and Frozen count the faults of the functions.
	Killed, Frozen int
	counts         []count
	// Failed has the first few complaints of each failed check.
	Failed map[Check][]string
}

// count is a line of the summary, correct unless its check complains.
type count struct {
	check Check
	text  string
}

func (r *Report) count(c Check, format string, args ...any) {
	r.counts = append(r.counts, count{c, fmt.Sprintf(format, args...)})
}

// complaints is the maximum number of complaints per check.
const complaints = 5

func (r *Report) complain(c Check, format string, args ...any) {
	if len(r.Failed[c]) < complaints {
		r.Failed[c] = append(r.Failed[c], fmt.Sprintf(format, args...))
	}
}

// String returns the summary.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: events in %d", r.Seed, r.In)
	for _, c := range r.counts {
		if len(r.Failed[c.check]) > 0 {
			c.text = strings.Replace(c.text, " = ", " != ", 1)
		}
		b.WriteString(", " + c.text)
	}
	for _, c := range []Check{Lost, Duplicate, Rollups, BelowFloor, Redis, Answers, Queries, Insights, Archive, Quarantine, Invocations} {
		for _, text := range r.Failed[c] {
			fmt.Fprintf(&b, "\n  %s: %s", c, text)
		}
	}
	return b.String()
}

// Report runs all checks, after all records are handled and the cache is
// refreshed.
func (w *World) Report(ctx context.Context, seed uint64) (r *Report, err error) {
	r = &Report{Seed: seed, In: len(w.Client.Events), Failed: map[Check][]string{}}
	conn, err := w.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	rows, err := rollupRows(ctx, conn, "")
	if err != nil {
		return nil, err
	}
	for _, check := range []func(context.Context, *pgx.Conn, *Report, []warehouse.MinuteRow) error{w.checkEvents, w.checkRollups, w.checkFrozen, w.checkRedis, w.checkInsights, w.checkQuarantine} {
		if err := check(ctx, conn, r, rows); err != nil {
			return nil, err
		}
	}
	if err := w.checkArchive(r); err != nil {
		return nil, err
	}
	for _, wrong := range w.Reader.Wrong {
		r.complain(Answers, "%s", wrong)
	}
	r.count(Answers, "%d correct reads, %d from PostgreSQL", w.Reader.Answers+w.Reader.Filled-len(w.Reader.Wrong), w.Reader.Filled)
	w.reportQueries(ctx, r)
	if n := w.Processor.invocations; w.MostInvocations > 0 && n > w.MostInvocations {
		r.complain(Invocations, "%d of the processor, want at most %d", n, w.MostInvocations)
	}
	if w.Processor.errors > 0 {
		r.complain(Invocations, "the processor returned %d errors, the last: %v", w.Processor.errors, w.Processor.lastError)
	}
	r.count(Invocations, "processor %d and archiver %d invocations, %d and %d killed, %d frozen",
		w.Processor.invocations, w.Archiver.invocations, w.Processor.killed, w.Archiver.killed, w.Frozens)
	r.Killed, r.Frozen = w.Processor.killed+w.Archiver.killed, w.Frozens
	return r, nil
}

// connect opens a connection that can read everything.
func (w *World) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, w.Servers.URL(pgserver.Superuser, w.Database))
}

// rollupRows reads rollups; an empty where reads all.
func rollupRows(ctx context.Context, conn *pgx.Conn, where string, args ...any) ([]warehouse.MinuteRow, error) {
	rows, err := conn.Query(ctx, `SELECT metric, bucket, dimension, slot, rev, n, sum::text, coalesce(min::text, ''), coalesce(max::text, '')
		FROM metric_minute `+where, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r warehouse.MinuteRow, err error) {
		err = row.Scan(&r.Metric, &r.Minute, &r.Dimension, &r.Slot, &r.Rev, &r.N, &r.Sum, &r.Min, &r.Max)
		return r, err
	})
}

// checkEvents compares events with the accepted ones: each exists once, except
// those that retention dropped.
func (w *World) checkEvents(ctx context.Context, conn *pgx.Conn, r *Report, _ []warehouse.MinuteRow) error {
	stored := map[Identity]int{}
	numbers := map[int]int{}
	rows, err := conn.Query(ctx, "SELECT event_id, timestamp, (properties->>'k')::int FROM events")
	if err != nil {
		return err
	}
	var id [16]byte
	var at time.Time
	var number int
	if _, err := pgx.ForEachRow(rows, []any{&id, &at, &number}, func() error {
		stored[Identity{uuid.UUID(id), at.UnixMicro()}]++
		numbers[number]++
		return nil
	}); err != nil {
		return err
	}
	lost, duplicate, dropped := 0, 0, 0
	for _, e := range w.Client.Events {
		n := numbers[e.Number]
		switch {
		case e.Identity.At < w.Floor.UnixMicro():
			dropped++
			if n > 0 {
				r.complain(BelowFloor, "event %d lies below the floor and is there", e.Number)
			}
			continue
		case n == 0:
			lost++
			r.complain(Lost, "event %d (%s, %s) isn't there", e.Number, e.ID, e.At)
		case n > 1:
			duplicate += n - 1
			r.complain(Duplicate, "event %d is there %d times", e.Number, n)
		}
		if n > 0 && stored[e.Identity] == 0 {
			r.complain(Lost, "event %d isn't there with its identity", e.Number)
		}
	}
	r.count(Lost, "lost %d", lost)
	r.count(Duplicate, "duplicate %d", duplicate)
	r.count(BelowFloor, "dropped by retention %d", dropped)
	return nil
}

// storedEvents reads events in the client's form.
func storedEvents(ctx context.Context, conn *pgx.Conn) ([]*Sent, error) {
	rows, err := conn.Query(ctx, `SELECT event_id, timestamp, event_type, properties->>'country', coalesce(properties->>'amount', '') FROM events`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Sent, error) {
		var id [16]byte
		var at time.Time
		e := &Sent{}
		err := row.Scan(&id, &at, &e.Kind, &e.Country, &e.Amount)
		e.Identity = Identity{id, at.UnixMicro()}
		return e, err
	})
}

// checkRollups compares the rollups with a recount of events.
func (w *World) checkRollups(ctx context.Context, conn *pgx.Conn, r *Report, rows []warehouse.MinuteRow) error {
	known := map[string]map[string]bool{}
	answer, err := conn.Query(ctx, "SELECT metric, value FROM dimension")
	if err != nil {
		return err
	}
	var name, value string
	if _, err := pgx.ForEachRow(answer, []any{&name, &value}, func() error {
		if known[name] == nil {
			known[name] = map[string]bool{}
		}
		known[name][value] = true
		return nil
	}); err != nil {
		return err
	}
	stored, err := storedEvents(ctx, conn)
	if err != nil {
		return err
	}
	d := w.Declarations.Now()
	counted := slices.DeleteFunc(slices.Clone(rows), func(row warehouse.MinuteRow) bool {
		return row.Minute.Before(w.Floor) || d.has(row.Metric) && row.Minute.Before(d.since) ||
			slices.ContainsFunc(w.Declarations.ended, func(e ended) bool { return e.has(row.Metric) })
	})
	got, want := addUp(counted), recount(stored, w.Floor, known, d)
	compare(r, Rollups, got, want)
	r.count(Rollups, "%d rollups = recount", len(want))
	for _, e := range w.Declarations.ended {
		compare(r, Rollups, addUp(e.only(rows)), e.totals)
	}
	return nil
}

func compare(r *Report, c Check, got, want map[series]*total) {
	for key, t := range want {
		switch g := got[key]; {
		case g == nil:
			r.complain(c, "%v is missing, want %+v", key, *t)
		case !g.equal(t):
			r.complain(c, "%v is %s, want %s", key, g, t)
		}
	}
	for key, g := range got {
		if want[key] == nil {
			r.complain(c, "%v is %s, want none", key, g)
		}
	}
}

// String formats a total.
func (t *total) String() string {
	text := fmt.Sprintf("n=%d", t.n)
	if t.sum != nil {
		text += " sum=" + t.sum.FloatString(2)
	}
	if t.min != nil {
		text += " min=" + t.min.FloatString(2) + " max=" + t.max.FloatString(2)
	}
	return text
}

// checkFrozen compares the rollups below the floor with those at the time it
// was raised.
func (w *World) checkFrozen(_ context.Context, _ *pgx.Conn, r *Report, rows []warehouse.MinuteRow) error {
	if w.Floor.IsZero() {
		return nil
	}
	compare(r, BelowFloor, addUp(w.below(rows)), addUp(w.Frozen))
	return nil
}

func (w *World) below(rows []warehouse.MinuteRow) []warehouse.MinuteRow {
	return slices.DeleteFunc(slices.Clone(rows), func(row warehouse.MinuteRow) bool { return !row.Minute.Before(w.Floor) })
}

// checkQuarantine expects exactly the invalid events in quarantine.
func (w *World) checkQuarantine(ctx context.Context, conn *pgx.Conn, r *Report, _ []warehouse.MinuteRow) error {
	want := map[string]bool{}
	for shard, records := range w.Stream.Records() {
		for _, rec := range records {
			for i, line := range event.Lines(rec.Data) {
				if !bytes.HasPrefix(line, []byte(`{"event":`)) {
					want[fmt.Sprint(shard, rec.SequenceNumber, i)] = true
				}
			}
		}
	}
	rows, err := conn.Query(ctx, "SELECT shard, seq, i, reason, object FROM quarantine")
	if err != nil {
		return err
	}
	var shard, seq, reason, object string
	var i int
	if _, err := pgx.ForEachRow(rows, []any{&shard, &seq, &i, &reason, &object}, func() error {
		place := fmt.Sprint(shard, seq, i)
		if !want[place] {
			r.complain(Quarantine, "%s %s %d is there: %s", shard, seq, i, reason)
		}
		if w.Bucket.Object(object) == nil {
			r.complain(Quarantine, "%s %s %d: object %s is missing", shard, seq, i, object)
		}
		delete(want, place)
		return nil
	}); err != nil {
		return err
	}
	for place := range want {
		r.complain(Quarantine, "%s isn't there", place)
	}
	return nil
}

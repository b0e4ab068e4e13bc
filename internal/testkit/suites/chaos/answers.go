package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// reply is a response of the query function, as a client decodes it.
type reply struct {
	question
	asked, read time.Time
	used        used

	Source      string
	AsOf        *time.Time
	Stale       bool
	From, To    time.Time
	StepSeconds int64
	Since       *time.Time
	Skipped     *int64
	Next        string
	Points      []struct {
		At            time.Time
		EventType     string
		Values        []string
		Count         int64
		Sum, Min, Max json.Number
	}
	Days []struct {
		Day   string
		Users int64
		Exact bool
	}
}

// Limits stated in the responses.
const (
	staleAfter   = 3 * time.Minute
	settledAfter = 48 * time.Hour
	// estimate is how far a day's users may be off; there are few users.
	estimate = 2
)

// whole returns the time up to which the response must be complete.
func (r *reply) whole() time.Time {
	switch {
	case r.Source == "warehouse": // its time is truncated to the minute
		return r.asked
	case r.AsOf != nil:
		return *r.AsOf
	}
	return time.Time{}
}

// check verifies a response's metadata and the data it must contain.
func (d *Dashboard) check(r *reply) {
	if source := r.used.source(); source != r.Source && (!r.used.failed || r.Skipped != nil) {
		d.complain(r.question, "its source is %s, but the response has %s", source, r.Source)
	}
	end := r.to
	if r.Next != "" {
		end = r.To
	}
	settled := r.asked.Sub(end) > settledAfter
	switch {
	case r.AsOf == nil && !r.Stale && !settled:
		d.complain(r.question, "it has no asOf and is not marked as stale")
	case r.AsOf != nil && r.AsOf.After(r.read):
		d.complain(r.question, "it is as of %s, read at %s", r.AsOf, r.read)
	case r.AsOf != nil && (r.asked.Sub(*r.AsOf) > staleAfter) != r.Stale:
		d.complain(r.question, "as of %s at %s it has stale = %t", r.AsOf, r.asked, r.Stale)
	}
	if r.name == "users" {
		d.checkLeastUsers(r)
		return
	}
	if !r.From.Equal(r.from) || !r.To.Equal(r.to) && r.Next == "" {
		d.complain(r.question, "it covers %s to %s", r.From, r.To)
	}
	have := r.counts()
	for at, want := range r.bySteps(d.w.Commits.Least(r.key, r.From, r.To, r.whole())) {
		if n := have[at]; n < want && !d.mixed(r, r.stepAt(at.at)) {
			d.complain(r.question, "%d of %q at %s as of %s, want at least %d", n, at.dimension, time.Unix(at.at, 0).UTC(), r.whole(), want)
		}
	}
	if r.Skipped != nil {
		var want int64
		for _, n := range d.w.Commits.Least(metric.SkippedKey(r.key), r.From, r.To, r.whole()) {
			want += n
		}
		if *r.Skipped < want && !d.mixed(r, [2]time.Time{r.From, r.To}) {
			d.complain(r.question, "%d skipped as of %s, want at least %d", *r.Skipped, r.whole(), want)
		}
	}
}

// stepAt returns the step that begins at a time.
func (r *reply) stepAt(at int64) [2]time.Time {
	return [2]time.Time{time.Unix(at, 0), time.Unix(at+r.StepSeconds, 0)}
}

// counts returns the response's counts by step and dimension.
func (r *reply) counts() map[minuteOf]int64 {
	counts := map[minuteOf]int64{}
	for _, p := range r.Points {
		dimension := p.EventType
		if p.Values != nil {
			dimension = metric.Dimension(p.Values...)
			if p.Values[0] == warehouse.OtherDimension {
				dimension = warehouse.OtherDimension
			}
		}
		counts[minuteOf{p.At.Unix(), dimension}] += p.Count
	}
	return counts
}

// bySteps sums minutes by step, like the response.
func (r *reply) bySteps(minutes map[minuteOf]int64) map[minuteOf]int64 {
	steps := map[minuteOf]int64{}
	for m, n := range minutes {
		switch only := r.parameters["eventType"]; {
		case r.parameters["by"] == "none":
			m.dimension = ""
		case only != "" && only != m.dimension:
			continue
		}
		m.at -= (m.at - r.From.Unix()) % r.StepSeconds
		steps[m] += n
	}
	return steps
}

// mixed reports whether a span of the response may be partly from before a
// recount. A single statement of the warehouse sees all of a recount or
// nothing.
func (d *Dashboard) mixed(r *reply, span [2]time.Time) bool {
	for m := span[0]; m.Before(span[1]); m = m.Add(time.Minute) {
		if r.Source != "warehouse" && d.w.Commits.Mixed(m, r.whole()) {
			return true
		}
	}
	return false
}

func (d *Dashboard) checkLeastUsers(r *reply) {
	for _, one := range r.Days {
		day, err := time.Parse(time.DateOnly, one.Day)
		if err != nil {
			d.complain(r.question, "%v", err)
		}
		want := d.w.Commits.Users(day.Format("20060102"), r.whole())
		if one.Exact != (r.Source == "warehouse") {
			d.complain(r.question, "from %s it has exact = %t", r.Source, one.Exact)
		}
		if !one.Exact {
			want -= estimate
		}
		if one.Users < want {
			d.complain(r.question, "%d users on %s as of %s, want at least %d", one.Users, one.Day, r.whole(), want)
		}
	}
	if days := int(r.to.Sub(r.from) / day); len(r.Days) != days {
		d.complain(r.question, "%d days, want %d", len(r.Days), days)
	}
}

// Compare compares responses with PostgreSQL, which may have more by now, but
// never less.
func (d *Dashboard) Compare(ctx context.Context) {
	for len(d.open) > 0 {
		if err := d.compare(ctx, &d.open[0]); err != nil {
			if d.truth != nil {
				_ = d.truth.Close(ctx)
			}
			d.truth = nil
			return // it is unavailable
		}
		d.open = d.open[1:]
	}
}

func (d *Dashboard) compare(ctx context.Context, r *reply) (err error) {
	if d.truth == nil {
		if d.truth, err = d.w.connect(ctx); err != nil {
			return err
		}
	}
	if r.name == "users" {
		return d.compareUsers(ctx, r)
	}
	rows, err := d.rows(ctx, r.key, r.From, r.To)
	if err != nil {
		return err
	}
	most := map[minuteOf]int64{}
	totals := map[minuteOf]*total{}
	for _, row := range rows {
		m := minuteOf{row.Minute.Unix(), row.Dimension}
		most[m] += row.N
		m.at -= (m.at - r.From.Unix()) % r.StepSeconds
		if totals[m] == nil {
			totals[m] = &total{}
		}
		totals[m].add(row.N, number(row.Sum), number(row.Min), number(row.Max))
	}
	most = r.bySteps(most)
	for at, n := range r.counts() {
		if n > most[at] && !d.mixed(r, r.stepAt(at.at)) {
			d.complain(r.question, "%d of %q at %s, more than the %d that are committed", n, at.dimension, time.Unix(at.at, 0).UTC(), most[at])
		}
	}
	if r.key == warehouse.MetricEvents {
		return nil
	}
	d.compareSums(r, totals)
	return d.compareMetric(ctx, r)
}

// compareSums compares sums if a response is complete.
func (d *Dashboard) compareSums(r *reply, totals map[minuteOf]*total) {
	for _, p := range r.Points {
		dimension := metric.Dimension(p.Values...)
		t := totals[minuteOf{p.At.Unix(), dimension}]
		if t == nil || t.n != p.Count || d.mixed(r, r.stepAt(p.At.Unix())) {
			continue
		}
		for _, pair := range []struct {
			got  json.Number
			want *big.Rat
		}{{p.Sum, t.sum}, {p.Min, t.min}, {p.Max, t.max}} {
			if got := number(string(pair.got)); got == nil || got.Cmp(pair.want) != 0 {
				d.complain(r.question, "%s of %q at %s, want %s", pair.got, dimension, p.At, pair.want.FloatString(2))
			}
		}
	}
}

// compareMetric compares a response's totals for the metric.
func (d *Dashboard) compareMetric(ctx context.Context, r *reply) error {
	skipped, err := d.rows(ctx, metric.SkippedKey(r.key), r.From, r.To)
	if err != nil {
		return err
	}
	var most int64
	for _, row := range skipped {
		most += row.N
	}
	if r.Skipped != nil && *r.Skipped > most && !d.mixed(r, [2]time.Time{r.From, r.To}) {
		d.complain(r.question, "%d skipped, more than the %d that are committed", *r.Skipped, most)
	}
	var since *time.Time
	err = d.truth.QueryRow(ctx, "SELECT since FROM metric WHERE key = $1 AND isfinite(since)", r.key).Scan(&since)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if r.Since != nil && (since == nil || !since.Equal(*r.Since)) {
		d.complain(r.question, "since %s, want %v", r.Since, since)
	}
	return nil
}

func (d *Dashboard) rows(ctx context.Context, key string, from, to time.Time) ([]warehouse.MinuteRow, error) {
	return rollupRows(ctx, d.truth, "WHERE metric = $1 AND bucket >= $2 AND bucket < $3 AND n > 0", key, from, to)
}

func (d *Dashboard) compareUsers(ctx context.Context, r *reply) error {
	for _, one := range r.Days {
		var most int64
		err := d.truth.QueryRow(ctx, `SELECT count(DISTINCT user_id) FROM events
			WHERE timestamp >= $1::text::timestamptz AND timestamp < $1::text::timestamptz + interval '1 day'`, one.Day+"T00:00:00Z").Scan(&most)
		if err != nil {
			return err
		}
		if !one.Exact {
			most += estimate
		}
		if one.Users > most {
			d.complain(r.question, "%d users on %s, more than the %d that are committed", one.Users, one.Day, most)
		}
	}
	return nil
}

// reportQueries summarizes the query function's responses.
func (w *World) reportQueries(ctx context.Context, r *Report) {
	d := w.Dashboard
	d.Compare(ctx)
	if len(d.open) > 0 {
		r.complain(Queries, "%d answers were never compared", len(d.open))
	}
	for _, wrong := range d.Wrong {
		r.complain(Queries, "%s", wrong)
	}
	r.count(Queries, "query %d times right from the cache, %d from PostgreSQL, %d from both; %d times it couldn't",
		d.Answers["cache"], d.Answers["warehouse"], d.Answers["cache+warehouse"], d.Refused)
}

package chaos

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// plantedQueries are bugs that are visible in the query function's responses,
// and one of a redeclared metric.
var plantedQueries = []bug{
	{"key begun with own rows, seen by a dashboard", Queries, fragments, wipedThen(askSeries), "want at least"},
	{"numbers of the cache taken twice", Queries, withCache(func(m *cache.Minutes) {
		for i := range m.Rows {
			m.Rows[i].N *= 2
		}
	}), refreshedThen(askSeries), "more than the"},
	{"a wrong sum", Queries, withCache(func(m *cache.Minutes) {
		for i := range m.Rows {
			m.Rows[i].Sum = "0.01"
		}
	}), refreshedThen(askSeries), "want"},
	{"as of now, whatever the cache has", Queries, asOfNow, lagging, "want at least"},
	{"unavailable with PostgreSQL there", Queries, unavailable, wipedThen(askSeries), "status 503"},
	{"users of a past day forgotten", Queries, forgetful, refreshedThen(askUsers), "want at least"},
	{"a source that it isn't from", Queries, telling(`"source":"cache"`, `"source":"warehouse"`), refreshedThen(askUsers), "the response has warehouse"},
	{"stale without a reason", Queries, telling(`"stale":false`, `"stale":true`), refreshedThen(askSeries), "stale = true"},
	{"a series that begins without what is loaded", Rollups, emptySeries, declaredInMidMinute, "revenue"},
}

// askSeries requests the last minutes of both metrics.
func askSeries(ctx context.Context, w *World) error {
	to := w.Clock.Now().Truncate(time.Minute).Add(time.Minute)
	return errors.Join(
		w.Dashboard.Ask(ctx, w.Dashboard.series(warehouse.MetricEvents, to.Add(-5*time.Minute), to, time.Minute)),
		w.Dashboard.Ask(ctx, w.Dashboard.series(Declared().Name, to.Add(-5*time.Minute), to, 5*time.Minute)),
	)
}

// yesterday returns how long ago yesterday's noon is, so that late events
// belong to one day, whenever a test runs.
func (w *World) yesterday() time.Duration {
	now := w.Clock.Now()
	return now.Sub(now.Truncate(day).Add(-day / 2))
}

// askUsers requests the users of today and of yesterday.
func askUsers(ctx context.Context, w *World) error {
	now := w.Clock.Now()
	return errors.Join(
		w.Dashboard.Ask(ctx, w.Dashboard.users(now, now)),
		w.Dashboard.Ask(ctx, w.Dashboard.users(now.Add(-w.yesterday()), now.Add(-w.yesterday()))),
	)
}

// wipedThen empties Redis between two loads of the same minutes.
func wipedThen(ask func(context.Context, *World) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error {
		return errors.Join(load(ctx, w, 60), w.raw.FlushAll(ctx).Err(), load(ctx, w, 10), ask(ctx, w))
	}
}

func refreshedThen(ask func(context.Context, *World) error) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error {
		w.Client.Late = []time.Duration{w.yesterday()}
		return errors.Join(load(ctx, w, 200), w.refreshLater(ctx), ask(ctx, w))
	}
}

// refreshLater refreshes a second later, because the cache's times are in
// milliseconds.
func (w *World) refreshLater(ctx context.Context) error {
	w.Clock.Advance(time.Second)
	return w.Refresh(ctx)
}

// lagging sends a request after the processor was killed between its commit and
// Redis in every try: the committed events are duplicates in the next try.
func lagging(ctx context.Context, w *World) error {
	if err := errors.Join(load(ctx, w, 60), w.refreshLater(ctx)); err != nil {
		return err
	}
	w.Processor.note(func() { w.Processor.fault = func() Fault { return KillAfterCommit } })
	if err := w.Client.Send(ctx, 60); err != nil {
		return err
	}
	for n := w.invocations(); w.invocations() < n+8; {
		if err := pause.For(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	err := askSeries(ctx, w)
	w.Processor.note(func() { w.Processor.fault = nil })
	return err
}

// changedCache changes the query function's reads of the cache.
type changedCache struct {
	query.Cache
	minutes func(*cache.Minutes)
	users   func(map[string]int64)
}

func (c changedCache) Minutes(ctx context.Context, metric string, minutes []time.Time) (cache.Minutes, error) {
	found, err := c.Cache.Minutes(ctx, metric, minutes)
	if c.minutes != nil {
		c.minutes(&found)
	}
	return found, err
}

func (c changedCache) CountUsers(ctx context.Context, days []string) (map[string]int64, time.Time, error) {
	counts, asOf, err := c.Cache.CountUsers(ctx, days)
	if c.users != nil {
		c.users(counts)
	}
	return counts, asOf, err
}

func withCache(change func(*cache.Minutes)) func(context.Context, *World) error {
	return func(_ context.Context, w *World) error {
		w.Variants.Cache = func(next query.Cache) query.Cache { return changedCache{Cache: next, minutes: change} }
		return nil
	}
}

// fragments creates keys with single rows, whose times are Redis', not the
// run's.
func fragments(ctx context.Context, w *World) error {
	return errors.Join(withScript(ownRows)(ctx, w), asOfNow(ctx, w))
}

func asOfNow(ctx context.Context, w *World) error {
	return withCache(func(m *cache.Minutes) {
		if !m.AsOf.IsZero() {
			m.AsOf = w.Clock.Now()
		}
	})(ctx, w)
}

func forgetful(_ context.Context, w *World) error {
	w.Variants.Cache = func(next query.Cache) query.Cache {
		return changedCache{Cache: next, users: func(counts map[string]int64) {
			delete(counts, w.Clock.Now().Format(cache.DayLayout)) // today's users from PostgreSQL
			for day := range counts {
				counts[day] /= 2
			}
		}}
	}
	return nil
}

// refusing is a warehouse that fails to read minutes.
type refusing struct{ query.Warehouse }

func (refusing) MinuteRows(context.Context, string, []time.Time) ([]warehouse.MinuteRow, error) {
	return nil, errors.New("the database is unavailable")
}

func unavailable(_ context.Context, w *World) error {
	w.Variants.Query = func(next query.Warehouse) query.Warehouse { return refusing{next} }
	return nil
}

// telling replaces a text in responses.
func telling(text, instead string) func(context.Context, *World) error {
	return func(_ context.Context, w *World) error {
		w.Variants.Response = func(body string) string { return strings.ReplaceAll(body, text, instead) }
		return nil
	}
}

// emptySeries prevents counting when a series starts.
func emptySeries(ctx context.Context, w *World) error {
	return w.superuser(ctx, `CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RETURN CASE WHEN current_user = 'streamctl_tables' THEN NULL ELSE NEW END; END $$`,
		"CREATE TRIGGER lose BEFORE INSERT ON metric_minute FOR EACH ROW EXECUTE FUNCTION lose()")
}

// declaredInMidMinute starts a series in a minute with loaded events, and then
// reactivates the first one.
func declaredInMidMinute(ctx context.Context, w *World) error {
	return errors.Join(load(ctx, w, 60), w.redeclare(ctx, declaredAnew()), load(ctx, w, 60), w.Refresh(ctx), askSeries(ctx, w),
		w.redeclare(ctx, Declared()), load(ctx, w, 60), askSeries(ctx, w))
}

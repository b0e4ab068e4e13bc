package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Dashboard queries the query function as it is deployed, and checks each
// response against the data known to be committed. It is not safe for
// concurrent use.
type Dashboard struct {
	w *World
	h *query.Handler
	// declared is the key of the metric that h has.
	declared string
	db       *warehouse.DB
	redis    *redis.Client
	// asked is the time of the current question; used records the sources of
	// its response.
	asked time.Time
	used  used
	// truth reads the data to compare with, open lists the responses still to
	// be compared, because PostgreSQL may be unavailable.
	truth *pgx.Conn
	open  []reply

	// Answers counts responses by source, Refused counts requests without a
	// response; Wrong lists the errors found.
	Answers map[string]int
	Refused int
	Wrong   []string
}

// question is one request.
type question struct {
	// name is the metric's name in the path; key is its series, for a series.
	name, key  string
	parameters map[string]string
	// from and to are the requested range, whole days for users.
	from, to time.Time
}

// series returns a request for a metric by steps.
func (d *Dashboard) series(name string, from, to time.Time, step time.Duration) question {
	return question{name: name, from: from, to: to, parameters: map[string]string{
		"from": from.Format(time.RFC3339), "to": to.Format(time.RFC3339), "step": step.String(),
	}}
}

// users returns a request for the days of two times and between.
func (d *Dashboard) users(first, last time.Time) question {
	first, last = first.Truncate(day), last.Truncate(day)
	return question{name: "users", from: first, to: last.Add(day), parameters: map[string]string{
		"from": first.Format(time.DateOnly), "to": last.Format(time.DateOnly),
	}}
}

// question returns a request that a dashboard might send: mostly for the last
// hours, also for past days, some too long for the cache.
func (d *Dashboard) question() question {
	random := d.w.Random
	now := d.w.Clock.Now().Truncate(time.Minute).Add(time.Minute)
	if random.Percent(20) {
		last := now.Add(-time.Duration(random.IntN(3)) * day)
		return d.users(last.Add(-time.Duration(random.IntN(2))*day), last)
	}
	pick := func(of ...time.Duration) time.Duration { return of[random.IntN(len(of))] }
	to := now.Add(-pick(0, 0, 0, time.Hour, 26*time.Hour, missingDay*day, 5*day))
	from := to.Add(-pick(5*time.Minute, time.Hour, time.Hour, 5*time.Hour, 30*time.Hour))
	step := pick(time.Minute, 5*time.Minute, time.Hour)
	if random.Percent(40) {
		return d.series(Declared().Name, from, to, step)
	}
	q := d.series(warehouse.MetricEvents, from, to, step)
	switch random.IntN(4) {
	case 0:
		q.parameters["by"] = "none"
	case 1:
		q.parameters["eventType"] = Declared().EventType
	}
	return q
}

// NewDashboard returns a dashboard of a run.
func NewDashboard(w *World) *Dashboard {
	d := &Dashboard{w: w, redis: w.redis(), Answers: map[string]int{}}
	d.db = warehouse.NewURL(w.Servers.URL(contract.RoleReader, w.Database))
	return d
}

// handler recreates the function with the current declarations.
func (d *Dashboard) handler(now metric.Definition) (*query.Handler, error) {
	if d.h != nil && d.declared == now.Key() {
		return d.h, nil
	}
	var c query.Cache = cache.New(d.redis, d.w.Clock.Now)
	var db query.Warehouse = d.db
	if d.w.Variants.Cache != nil {
		c = d.w.Variants.Cache(c)
	}
	if d.w.Variants.Query != nil {
		db = d.w.Variants.Query(db)
	}
	metrics, err := metric.Encode([]metric.Definition{now})
	if err != nil {
		return nil, err
	}
	d.h, err = query.New(contract.Query{Metrics: metrics}, query.Deps{
		Sequences: &warehouse.Sequences{DB: d.db}, Answers: cache.New(d.redis, d.w.Clock.Now),
		Cache: watchedCache{c, &d.used}, Warehouse: watchedWarehouse{db, &d.used},
		Clock: pause.Clock{Time: func() time.Time { return d.asked }}, Metrics: nothing{}, Log: quiet(),
	})
	d.declared = now.Key()
	return d.h, err
}

// answerTime is the API's timeout.
const answerTime = 29 * time.Second

// Ask sends a request and checks the response. Unavailable servers are not an
// error.
func (d *Dashboard) Ask(ctx context.Context, q question) error {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	away := d.w.Servers.Away.Since()
	declared := d.w.Declarations.Now()
	if q.key = q.name; q.name == declared.Name {
		q.key = declared.Key()
	}
	h, err := d.handler(declared.Definition)
	if err != nil {
		return err
	}
	d.asked, d.used = d.w.Clock.Now(), used{}
	resp, err := h.Handle(limited, events.APIGatewayProxyRequest{
		PathParameters: map[string]string{"metric": q.name}, QueryStringParameters: q.parameters,
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case err != nil:
		return fmt.Errorf("ask for %s: %w", q.name, err)
	case resp.StatusCode == http.StatusServiceUnavailable:
		d.Refused++
		// Without Redis the warehouse must answer.
		if !away(awayPostgres) && (q.name != "users" || !away(awaySchema)) {
			d.complain(q, "status %d while PostgreSQL can be reached", resp.StatusCode)
		}
		return nil
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("ask for %s %v: status %d: %s", q.name, q.parameters, resp.StatusCode, resp.Body)
	}
	r := reply{question: q, asked: d.asked, read: d.w.Clock.Now(), used: d.used}
	body := resp.Body
	if d.w.Variants.Response != nil {
		body = d.w.Variants.Response(body)
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	d.Answers[r.Source]++
	d.check(&r)
	d.open = append(d.open, r)
	d.Compare(ctx)
	return nil
}

func (d *Dashboard) complain(q question, format string, args ...any) {
	d.Wrong = append(d.Wrong, fmt.Sprintf("%s %v: ", q.name, q.parameters)+fmt.Sprintf(format, args...))
}

// Close closes its connections.
func (d *Dashboard) Close(ctx context.Context) error {
	if d.truth != nil {
		_ = d.truth.Close(ctx) // only read from
	}
	_ = d.db.Close(ctx)
	return d.redis.Close()
}

// used records the sources of a response.
type used struct {
	cache, warehouse bool
	// failed reports whether a read of the warehouse failed.
	failed bool
}

func (u used) source() string {
	var sources []string
	if u.cache {
		sources = append(sources, "cache")
	}
	if u.warehouse {
		sources = append(sources, "warehouse")
	}
	return strings.Join(sources, "+")
}

// read records a read of the warehouse.
func (u *used) read(err error) {
	if err != nil {
		u.failed = true
		return
	}
	u.warehouse = true
}

// watchedCache records whether the cache returned data.
type watchedCache struct {
	query.Cache
	used *used
}

func (c watchedCache) Minutes(ctx context.Context, metric string, minutes []time.Time) (cache.Minutes, error) {
	found, err := c.Cache.Minutes(ctx, metric, minutes)
	c.used.cache = c.used.cache || err == nil && len(found.Missing) < len(minutes)
	return found, err
}

func (c watchedCache) CountUsers(ctx context.Context, days []string) (map[string]int64, time.Time, error) {
	counts, asOf, err := c.Cache.CountUsers(ctx, days)
	c.used.cache = err == nil && len(counts) == len(days) // either all of it or nothing is used
	return counts, asOf, err
}

// watchedWarehouse records whether the warehouse returned data.
type watchedWarehouse struct {
	query.Warehouse
	used *used
}

func (w watchedWarehouse) MinuteRows(ctx context.Context, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error) {
	rows, err := w.Warehouse.MinuteRows(ctx, metric, minutes)
	w.used.read(err)
	return rows, err
}

func (w watchedWarehouse) Series(ctx context.Context, metric string, from, to time.Time, step time.Duration) ([]warehouse.Point, error) {
	points, err := w.Warehouse.Series(ctx, metric, from, to, step)
	w.used.read(err)
	return points, err
}

func (w watchedWarehouse) CountUsers(ctx context.Context, first, last time.Time) (map[string]int64, error) {
	counts, err := w.Warehouse.CountUsers(ctx, first, last)
	w.used.read(err)
	return counts, err
}

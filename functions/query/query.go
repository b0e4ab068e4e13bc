// Package query serves GET /metrics/{metric} from the cache, and from the
// warehouse if the cache is incomplete. It answers questions such as funnels from the
// events of users.
package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Warehouse is used if the cache has no data; *warehouse.DB satisfies it.
type Warehouse interface {
	Counts
	Catalog
	Alerts
}

// Counts reads the numbers for a response.
type Counts interface {
	cache.Source
	Series(ctx context.Context, metric string, from, to time.Time, step time.Duration) ([]warehouse.Point, error)
	CountUsers(ctx context.Context, first, last time.Time) (byDay map[string]int64, err error)
	// CountType counts the events of a type, including those folded into another
	// dimension value.
	CountType(ctx context.Context, eventType string, from, to time.Time, step time.Duration) (warehouse.TypeCount, error)
}

// Catalog describes the series in the warehouse.
type Catalog interface {
	// MetricKey returns the series of a metric name; by is the number of
	// dimension fields.
	MetricKey(ctx context.Context, name string) (key string, by int, ok bool, err error)
	// Values lists the dimension values of a series that have, or had, rows of
	// their own.
	Values(ctx context.Context, key string) ([]warehouse.Value, error)
	// IsNeverFolded reports whether a value has rows of its own in every minute.
	IsNeverFolded(ctx context.Context, key, value string) (bool, error)
	// Since returns the time from which a series is complete; ok is false if it is
	// unknown.
	Since(ctx context.Context, key string) (since time.Time, ok bool, err error)
	// Floor returns the time before which events were dropped by retention; the
	// zero time if none were.
	Floor(context.Context) (time.Time, error)
}

// Cache is read first; *cache.Cache satisfies it.
type Cache interface {
	Minutes(ctx context.Context, metric string, minutes []time.Time) (cache.Minutes, error)
	Fill(ctx context.Context, source cache.Source, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error)
	CountUsers(ctx context.Context, days []string) (byDay map[string]int64, asOf time.Time, err error)
}

// Deps are the dependencies of a Handler.
type Deps struct {
	Cache     Cache
	Warehouse Warehouse
	Sequences Sequences
	Answers   Answers
	Clock     pause.Clock
	Metrics   emf.Emitter
	Log       *slog.Logger
}

// Handler handles queries.
type Handler struct {
	Deps
	origins     []string
	definitions []metric.Definition

	sinces ttlCache[time.Time]
	coded  ttlCache[series]
	// placed holds event types that are never folded.
	placed ttlCache[struct{}]
}

// New returns a handler. It fails if the environment's metrics can't be
// decoded. The handler is safe for concurrent use if Deps is.
func New(env contract.Query, d Deps) (*Handler, error) {
	definitions, err := metric.Decode(env.Metrics)
	if err != nil {
		return nil, fmt.Errorf("read declared metrics: %w", err)
	}
	return &Handler{Deps: d, origins: env.CorsOrigins, definitions: definitions}, nil
}

const (
	// cacheTime is a request's timeout for the cache.
	cacheTime = 2 * time.Second
	// reserve is the part of the invocation's time that is kept for the cache
	// and the response if the warehouse hangs.
	reserve = cacheTime + time.Second
	// staleAfter is the age from which a response is marked as stale; the cache
	// is refreshed every minute.
	staleAfter = 3 * time.Minute
	// settledAfter is how long ago a range must have ended to count as settled:
	// later events are very rare.
	settledAfter = 48 * time.Hour
)

// errUnavailable is returned if neither cache nor warehouse has the data.
var errUnavailable = errors.New("the cache and the warehouse are unavailable")

// result is a response before encoding.
type result struct {
	body any
	// ended is the end of the response's range.
	ended time.Time
	stale bool
}

// Handle handles one request and adds the CORS headers for the origins in the
// environment. Every request gets a response; an error is a bug.
func (h *Handler) Handle(ctx context.Context, req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	return api.AllowOrigins(h.origins, http.MethodGet, h.handle)(ctx, req)
}

func (h *Handler) handle(ctx context.Context, req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	now := h.Clock.Now().UTC()
	r, err := h.answer(ctx, req, now)
	if err != nil {
		return refuse(ctx, h.Log, err)
	}
	return respond(req, r, now)
}

func (h *Handler) answer(ctx context.Context, req events.APIGatewayProxyRequest, now time.Time) (result, error) {
	given, err := parameters(req)
	if err != nil {
		return result{}, err
	}
	switch name := req.PathParameters[api.ParameterMetric]; name {
	case api.MetricSummary:
		if err := onlyParameters(given); err != nil {
			return result{}, err
		}
		return h.summary(ctx, now)
	case api.MetricAlerts:
		return h.alerts(ctx, given, now)
	case api.MetricUsers:
		r, err := readDaysRequest(given, now)
		if err != nil {
			return result{}, err
		}
		if r.where != "" {
			return asker{h.Deps}.users(ctx, r, now)
		}
		return h.users(ctx, r, now)
	case eventsSeries.name:
		if _, ok := given["list"]; ok {
			return h.values(ctx, eventsSeries, given, now)
		}
		r, err := readSeriesRequest(eventsSeries, given, now)
		if err != nil {
			return result{}, err
		}
		if r.where != "" {
			return asker{h.Deps}.events(ctx, r, now)
		}
		return h.events(ctx, r, now)
	default:
		if insight.IsQuestion(name) {
			return asker{h.Deps}.question(ctx, name, given, now)
		}
		s, err := h.find(ctx, name, now)
		if err != nil {
			return result{}, err
		}
		if _, ok := given["list"]; ok {
			return h.values(ctx, s, given, now)
		}
		r, err := readSeriesRequest(s, given, now)
		if err != nil {
			return result{}, err
		}
		return h.metric(ctx, r, now)
	}
}

// count counts the cache hits and misses of a read.
func (h *Handler) count(ctx context.Context, hits, misses int) {
	h.Metrics.Emit(ctx, emf.Metric{Name: contract.MetricCacheHits, Value: float64(hits)}, emf.Metric{Name: contract.MetricCacheMisses, Value: float64(misses)})
}

// cacheFailed logs and counts a cache failure that doesn't prevent a response.
func (d Deps) cacheFailed(ctx context.Context, err error) {
	d.Log.ErrorContext(ctx, "cache not usable", "err", err)
	d.Metrics.Emit(ctx, emf.Metric{Name: contract.MetricCacheErrors, Value: 1})
}

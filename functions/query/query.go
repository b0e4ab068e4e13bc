// Package query answers GET /metrics/{metric}: from the cache, and from the
// warehouse what the cache doesn't have.
package query

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/funcenv"
	"github.com/streamctl/streamctl/internal/problem"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Warehouse is what query reads when the cache has no answer; *warehouse.DB
// has it.
type Warehouse interface {
	cache.Source
	Series(ctx context.Context, metric string, from, to time.Time, step time.Duration) ([]warehouse.Point, error)
	CountUsers(ctx context.Context, first, last time.Time) (byDay map[string]int64, err error)
}

// Cache is what query reads first; *cache.Cache has it.
type Cache interface {
	Minutes(ctx context.Context, metric string, minutes []time.Time) (cache.Minutes, error)
	Fill(ctx context.Context, source cache.Source, metric string, minutes []time.Time) ([]warehouse.MinuteRow, error)
	CountUsers(ctx context.Context, days []string) (byDay map[string]int64, asOf time.Time, err error)
}

// Metrics takes counts; *emf.Writer does.
type Metrics interface {
	Emit(metrics ...emf.Metric) error
}

// Handler answers queries.
type Handler struct {
	Cache     Cache
	Warehouse Warehouse
	Now       func() time.Time
	Metrics   Metrics
	Log       *slog.Logger
}

const (
	// cacheTime bounds what a request spends on the cache.
	cacheTime = 2 * time.Second
	// staleAfter is how old an answer may be before it says so; the cache is
	// refreshed each minute.
	staleAfter = 3 * time.Minute
	// retryAfterSeconds is what a client is told when nothing can answer.
	retryAfterSeconds = 5
)

// errUnavailable says that neither cache nor warehouse can answer.
var errUnavailable = errors.New("neither the cache nor the warehouse can answer now")

// Handle answers one request. Its error is for what never happens to a
// request.
func (h *Handler) Handle(ctx context.Context, req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	now := h.Now().UTC()
	var answer any
	var err error
	switch name := req.PathParameters["metric"]; name {
	case "summary":
		if err = onlyParameters(req.QueryStringParameters); err == nil {
			answer, err = h.summary(ctx, now)
		}
	case "events":
		var r seriesRequest
		if r, err = readSeriesRequest(req.QueryStringParameters, now); err == nil {
			answer, err = h.events(ctx, r, now)
		}
	case "users":
		var r daysRequest
		if r, err = readDaysRequest(req.QueryStringParameters, now); err == nil {
			answer, err = h.users(ctx, r, now)
		}
	default:
		return problem.New(http.StatusNotFound, fmt.Sprintf("there is no metric %q: ask for summary, events or users", name)).Response()
	}
	return h.respond(ctx, answer, err)
}

func (h *Handler) respond(ctx context.Context, answer any, err error) (events.APIGatewayProxyResponse, error) {
	var wrong *parameterError
	switch {
	case errors.As(err, &wrong):
		return problem.New(http.StatusBadRequest, wrong.Error()).Response()
	case err != nil:
		h.Log.ErrorContext(ctx, "query not answered", "err", err)
		p := problem.New(http.StatusServiceUnavailable, errUnavailable.Error()+"; try again in a few seconds")
		p.RetryAfterSeconds = retryAfterSeconds
		return p.Response()
	}
	body, err := json.Marshal(answer, json.Deterministic(true))
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("encode answer: %w", err)
	}
	return events.APIGatewayProxyResponse{
		StatusCode: http.StatusOK, Body: string(body),
		Headers: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"},
	}, nil
}

// count tells what the cache had of what it was asked for.
func (h *Handler) count(ctx context.Context, hits, misses int) {
	err := h.Metrics.Emit(emf.Metric{Name: funcenv.MetricCacheHits, Value: float64(hits)}, emf.Metric{Name: funcenv.MetricCacheMisses, Value: float64(misses)})
	if err != nil {
		h.Log.ErrorContext(ctx, "metrics not written", "err", err)
	}
}

// cacheFailed logs and counts a failure that the answer survives.
func (h *Handler) cacheFailed(ctx context.Context, err error) {
	h.Log.ErrorContext(ctx, "cache not usable", "err", err)
	if err := h.Metrics.Emit(emf.Metric{Name: funcenv.MetricCacheErrors, Value: 1}); err != nil {
		h.Log.ErrorContext(ctx, "metrics not written", "err", err)
	}
}

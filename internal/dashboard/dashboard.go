// Package dashboard serves one page that shows a platform's current activity: events
// per minute by type, users, declared metrics and the pipeline's health. The sources of
// the data are interfaces.
package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/health"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/tail"
)

// API responds to the metrics queries of docs/query.md.
type API interface {
	// Get requests a path with its query, such as /metrics/events?step=5m. The header
	// may contain If-None-Match. The caller closes the response's body.
	Get(ctx context.Context, pathAndQuery string, header http.Header) (*http.Response, error)
}

// Options configure a dashboard.
type Options struct {
	// API serves the page's queries.
	API API
	// Health returns the pipeline's health. The page requests it every few seconds, so
	// cache an expensive result. With nil the page shows the health as unknown.
	Health func(context.Context) (Health, error)
	// Status returns the values that `streamctl status` shows; nil if only the health is
	// known.
	Status func(context.Context) (health.Report, error)
	// Events returns the newest events, newest first, and Rejected the requests with
	// rejected events of the last minutes. Each is called one at a time, and its result is
	// kept for a few seconds for all pages. With nil the page shows neither.
	Events   func(context.Context) ([]tail.Event, error)
	Rejected func(context.Context) ([]tail.Rejection, error)
	// Hint returns how a person can correct an error of these two, or nothing; may be nil.
	Hint func(error) string
	// About describes the platform on the page.
	About About
	// Hosts are additional host names of the dashboard, with or without a port:
	// "dashboard.internal", "10.0.0.7:8080". Loopback names are always allowed, with
	// any port.
	Hosts []string
	// Log receives failures to fetch data; nil drops them.
	Log *slog.Logger
}

// About describes the platform that a dashboard shows.
type About struct {
	// Title is the stack's name, or "local".
	Title string `json:"title"`
	// Environment is production, staging, development or local.
	Environment string `json:"environment"`
	// Endpoint is the API's URL for events, without a trailing slash:
	// https://abc.execute-api.eu-west-1.amazonaws.com/prod. If it is empty, the start
	// page shows no curl command.
	Endpoint string `json:"endpoint,omitempty"`
	// Region is the region of a request's signature; empty if requests to Endpoint need
	// none.
	Region string `json:"region,omitempty"`
	// Send is a command line that sends a first event; may be empty.
	Send string `json:"send,omitempty"`
	// Snippets send events with the libraries of clients; empty without write keys.
	Snippets []Snippet `json:"snippets,omitempty"`
	// Metrics are the declared metrics, in display order.
	Metrics []Metric `json:"metrics"`
	// Version is the program's.
	Version string `json:"version"`
}

// Metric is a declared metric.
type Metric struct {
	Name string `json:"name"`
	// EventType is the counted event type; empty for all types.
	EventType string `json:"eventType,omitempty"`
	// By has the fields that group the values.
	By []string `json:"by,omitempty"`
	// Field is the field of Sum, Min and Max; empty for a metric that only counts.
	Field string `json:"field,omitempty"`
	Sum   bool   `json:"sum"`
	Min   bool   `json:"min"`
	Max   bool   `json:"max"`
}

// Metrics describes declared metrics, in their order.
func Metrics(definitions []metric.Definition) []Metric {
	metrics := make([]Metric, len(definitions))
	for i, d := range definitions {
		metrics[i] = Metric{
			Name: d.Name, EventType: d.EventType, By: d.By, Field: d.Field(),
			Sum: d.Sum != "", Min: d.Min != "", Max: d.Max != "",
		}
	}
	return metrics
}

// Health is the pipeline's health. A value is nil if its source doesn't know it.
type Health struct {
	// At is the time of the measurement.
	At time.Time `json:"at"`
	// Since is the start of the counts.
	Since time.Time `json:"since"`
	// Counts of events since then.
	Accepted    *int64 `json:"accepted"`
	Refused     *int64 `json:"refused"`
	Unavailable *int64 `json:"unavailable"`
	Archived    *int64 `json:"archived"`
	Inserted    *int64 `json:"inserted"`
	Duplicates  *int64 `json:"duplicates"`
	Quarantined *int64 `json:"quarantined"`
	Expired     *int64 `json:"expired"`
	// CacheErrors counts failed calls of the cache.
	CacheErrors *int64 `json:"cacheErrors"`
	// LagSeconds is the age of the oldest event that is not loaded; if all are loaded,
	// the time from arrival to commit of the newest load. LagAt is the time of that
	// measurement.
	LagSeconds *float64   `json:"lagSeconds"`
	LagAt      *time.Time `json:"lagAt"`
	// Waiting is the number of records that are not loaded.
	Waiting *int64 `json:"waiting"`
	// ArchiveLagSeconds is the age of the oldest record that is not archived.
	ArchiveLagSeconds *float64 `json:"archiveLagSeconds"`
	// Failed is the number of batches that the consumers gave up; Missing is the number
	// of accepted records that a damaged disk has lost.
	Failed  *int64 `json:"failed"`
	Missing *int64 `json:"missing"`
	// Troubles are persistent faults, one sentence each.
	Troubles []string `json:"troubles"`
}

// New returns the handler of a dashboard for the root of a host.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.About.Metrics == nil {
		o.About.Metrics = []Metric{}
	}
	s := server{Options: o}
	mux := http.NewServeMux()
	for path, file := range pageFiles() {
		mux.Handle("GET "+path, file)
	}
	mux.Handle("GET "+api.PathMetric, ownPageOnly(s.metrics))
	mux.Handle("GET /sql/{"+api.ParameterMetric+"}", ownPageOnly(s.sql))
	mux.Handle("GET /alerts", ownPageOnly(s.alerts))
	mux.Handle("GET /health", ownPageOnly(s.health))
	mux.Handle("GET "+PathStatus, ownPageOnly(s.status))
	mux.Handle("GET /events", ownPageOnly(recent(s, "read the newest events", eventsKept, recentEvents(o.Events))))
	mux.Handle("GET /rejected", ownPageOnly(recent(s, "read rejected events", rejectedKept, o.Rejected)))
	mux.Handle("GET /about", ownPageOnly(s.about))
	return guard(o.Hosts, mux)
}

// PathStatus is the path of Options.Status, as JSON.
const PathStatus = "/status"

type server struct{ Options }

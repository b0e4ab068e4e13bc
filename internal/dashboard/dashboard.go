// Package dashboard serves one page that shows what happens on a platform now:
// events by minute and type, users, declared metrics and the pipeline's health.
// It knows nothing of where the answers come from.
package dashboard

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/metric"
)

// API answers the metrics queries of docs/query.md.
type API interface {
	// Get asks for a path with its query, such as /metrics/events?step=5m. The
	// header may hold If-None-Match. The caller closes the answer's body.
	Get(ctx context.Context, pathAndQuery string, header http.Header) (*http.Response, error)
}

// Options are what a dashboard needs.
type Options struct {
	// API answers the page's queries.
	API API
	// Health tells how the pipeline does. The page asks every few seconds, so
	// an expensive answer is better kept for a while. Nil: the page says that
	// it isn't known.
	Health func(context.Context) (Health, error)
	// About says what the page is about.
	About About
	// Hosts are further names by which a browser may ask, with or without a
	// port: "dashboard.internal", "10.0.0.7:8080". Loopback names are always
	// allowed, whatever their port.
	Hosts []string
	// Log is told of answers that couldn't be had; nil drops it.
	Log *slog.Logger
}

// About says what a dashboard shows.
type About struct {
	// Title is the stack's name, or "local".
	Title string `json:"title"`
	// Environment is production, staging, development or local.
	Environment string `json:"environment"`
	// Endpoint is where events are sent, without a trailing slash:
	// https://abc.execute-api.eu-west-1.amazonaws.com/prod. Empty leaves the
	// curl line out of what the page shows while there are no events.
	Endpoint string `json:"endpoint,omitempty"`
	// Region is what a request to Endpoint is signed for; empty where none is
	// needed.
	Region string `json:"region,omitempty"`
	// Send is a command line that sends a first event; empty leaves it out.
	Send string `json:"send,omitempty"`
	// Metrics are the declared ones, in the order in which they are shown.
	Metrics []Metric `json:"metrics"`
	// Version is the program's.
	Version string `json:"version"`
}

// Metric is a declared metric.
type Metric struct {
	Name string `json:"name"`
	// EventType is what it is about; empty for all types.
	EventType string `json:"eventType,omitempty"`
	// By names the fields that tell its values apart.
	By []string `json:"by,omitempty"`
	// Field is what Sum, Min and Max are of; empty for a metric that counts.
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

// Health is how the pipeline does. A number that its source can't tell is nil.
type Health struct {
	// At is when it was so.
	At time.Time `json:"at"`
	// Since is when the counts begin.
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
	// LagSeconds is how long the oldest event has waited that is not loaded;
	// without one, how long the newest load took from arrival to commit. LagAt is
	// when it was so.
	LagSeconds *float64   `json:"lagSeconds"`
	LagAt      *time.Time `json:"lagAt"`
	// Waiting is the number of records that are not loaded.
	Waiting *int64 `json:"waiting"`
	// ArchiveLagSeconds is how long the oldest record has waited that is not
	// archived.
	ArchiveLagSeconds *float64 `json:"archiveLagSeconds"`
	// Failed is the number of batches of records that were given up; Missing that
	// of accepted records that were lost by damage to the disk.
	Failed  *int64 `json:"failed"`
	Missing *int64 `json:"missing"`
	// Troubles are faults that last, a sentence each.
	Troubles []string `json:"troubles"`
}

// New makes the handler of a dashboard, for the root of a host.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.About.Metrics == nil {
		o.About.Metrics = []Metric{}
	}
	s := server{o}
	mux := http.NewServeMux()
	for path, file := range pageFiles() {
		mux.Handle("GET "+path, file)
	}
	mux.Handle("GET "+api.PathMetric, ownPageOnly(s.metrics))
	mux.Handle("GET /health", ownPageOnly(s.health))
	mux.Handle("GET /about", ownPageOnly(s.about))
	return guard(o.Hosts, mux)
}

type server struct{ Options }

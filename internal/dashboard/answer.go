package dashboard

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/pattern"
)

const (
	// answerTime bounds the wait for a response; API Gateway's own limit is 29 seconds.
	answerTime = 30 * time.Second
	// retrySeconds is the Retry-After of a response that could not be fetched.
	retrySeconds = 2
)

// metricName matches the names of metrics, including the built-in ones.
var metricName = pattern.New(`^[a-z][a-z0-9_]{0,39}$`)

// passed are the response headers that the page needs.
var passed = []string{"Content-Type", "Etag", "Cache-Control", "Retry-After"}

// metrics forwards a query.
func (s server) metrics(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue(api.ParameterMetric)
	if !metricName.MatchString(name) {
		refuse(w, http.StatusNotFound, "unknown metric "+quote(name))
		return
	}
	s.forward(w, r, name, nil)
}

// alerts forwards the query for alerts. A stack without them, and credentials that may not
// read them, are an empty list, so that the page has no error to show.
func (s server) alerts(w http.ResponseWriter, r *http.Request) {
	s.forward(w, r, api.MetricAlerts, func(status int) bool {
		if status != http.StatusNotFound && status != http.StatusForbidden {
			return false
		}
		s.write(w, r, noAlerts{Alerts: []struct{}{}, Changes: []struct{}{}})
		return true
	})
}

// noAlerts is the response of a stack without alerts.
type noAlerts struct {
	Alerts  []struct{} `json:"alerts"`
	Changes []struct{} `json:"changes"`
}

// forward responds with the API's response, unless instead responds to its status.
func (s server) forward(w http.ResponseWriter, r *http.Request, name string, instead func(status int) bool) {
	target := api.MetricPath(name, nil)
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	header := http.Header{"Accept": {"application/json"}}
	if tags := r.Header.Values("If-None-Match"); len(tags) > 0 {
		header["If-None-Match"] = tags
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	resp, err := s.API.Get(ctx, target, header)
	if err != nil {
		s.failed(w, r, "query the API", err)
		return
	}
	defer resp.Body.Close() //nolint:errcheck // fully read
	if instead != nil && instead(resp.StatusCode) {
		return
	}
	for _, name := range passed {
		if values := resp.Header.Values(name); len(values) > 0 {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(resp.StatusCode)
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, resp.Body); err != nil && r.Context().Err() == nil {
		s.Log.WarnContext(r.Context(), "response truncated", "path", r.URL.Path, "err", err)
	}
}

func (s server) health(w http.ResponseWriter, r *http.Request) {
	if s.Health == nil {
		refuse(w, http.StatusNotFound, "this platform has no source of health data")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()
	h, err := s.Health(ctx)
	if err != nil {
		s.failed(w, r, "read the pipeline's health", err)
		return
	}
	s.write(w, r, h)
}

func (s server) status(w http.ResponseWriter, r *http.Request) {
	if s.Status == nil {
		refuse(w, http.StatusNotFound, "`streamctl status` shows the state of this platform")
		return
	}
	report, err := s.Status(r.Context())
	if err != nil {
		s.failed(w, r, "read the platform's status", err)
		return
	}
	s.write(w, r, report)
}

func (s server) about(w http.ResponseWriter, r *http.Request) { s.write(w, r, s.About) }

func (s server) write(w http.ResponseWriter, r *http.Request, answer any) {
	body, err := json.Marshal(answer)
	if err != nil {
		s.failed(w, r, "write answer", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if _, err := w.Write(body); err != nil && r.Context().Err() == nil {
		s.Log.WarnContext(r.Context(), "response truncated", "path", r.URL.Path, "err", err)
	}
}

// failed responds to a request whose data could not be fetched. It includes the reason:
// the page's reader runs this program.
func (s server) failed(w http.ResponseWriter, r *http.Request, what string, err error) {
	if r.Context().Err() != nil { // the client has gone
		return
	}
	s.Log.WarnContext(r.Context(), "no answer", "path", r.URL.Path, "err", err)
	status := http.StatusBadGateway
	if errors.Is(err, context.DeadlineExceeded) {
		status = http.StatusGatewayTimeout
	}
	w.Header().Set("Retry-After", strconv.Itoa(retrySeconds))
	refuse(w, status, what+": "+err.Error())
}

// problem is a problem document with advice.
type problem struct {
	api.Problem
	Hint string `json:"hint,omitempty"`
}

// refuse responds with a problem document, as the API does.
func refuse(w http.ResponseWriter, status int, detail string) { explain(w, status, detail, "") }

// explain is refuse with advice.
func explain(w http.ResponseWriter, status int, detail, hint string) {
	// Text that is not UTF-8, as in an error of the network, must not hide the error.
	body, err := json.Marshal(problem{api.NewProblem(status, detail), hint}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", api.ProblemType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body) //nolint:errcheck // the client may have gone
}

// quote quotes a bounded part of a request.
func quote(s string) string { return strconv.Quote(s[:min(len(s), 100)]) }

package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/dashboard"
)

// echo responds with the request.
type echo struct{ err error }

func (e echo) Get(_ context.Context, pathAndQuery string, header http.Header) (*http.Response, error) {
	if e.err != nil {
		return nil, e.err
	}
	w := httptest.NewRecorder()
	w.Header().Set("ETag", `"tag"`)
	w.Header().Set("Cache-Control", "private, max-age=5")
	w.Header().Set("Retry-After", "5")
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Set-Cookie", "a=b")
	if header.Get("If-None-Match") == `"tag"` {
		w.WriteHeader(http.StatusNotModified)
	} else {
		io.WriteString(w, pathAndQuery)
	}
	return w.Result(), nil
}

func serve(o dashboard.Options, method, url string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	dashboard.New(o).ServeHTTP(w, r)
	return w
}

const host = "http://127.0.0.1:8080"

func TestRefusals(t *testing.T) {
	o := dashboard.Options{API: echo{}, Hosts: []string{"board.internal", "10.0.0.7:81"}}
	for _, c := range []struct {
		method, url string
		header      []string
		status      int
	}{
		{"GET", host + "/", nil, 200},
		{"HEAD", host + "/app.js", nil, 200},
		{"GET", "http://localhost/", nil, 200},
		{"GET", "http://LOCALHOST:1/metrics/events", nil, 200},
		{"GET", "http://[::1]:8080/", nil, 200},
		{"GET", "http://[::1]/", nil, 200},
		{"GET", "http://board.internal:90/", nil, 200},
		{"GET", "http://10.0.0.7:81/", nil, 200},
		{"GET", "http://10.0.0.7:82/", nil, 421},
		{"GET", "http://attacker.example/", nil, 421},
		{"GET", "http://127.0.0.1.attacker.example:8080/metrics/events", nil, 421},
		{"GET", "http://localhost.attacker.example/health", nil, 421},
		{"POST", host + "/", nil, 405},
		{"POST", host + "/metrics/events", nil, 405},
		{"DELETE", host + "/about", nil, 405},
		{"GET", host + "/nothing", nil, 404},
		{"GET", host + "/index.html", nil, 404},
		{"GET", host + "/page/app.js", nil, 404},
		{"GET", host + "/events", nil, 404},
		{"GET", host + "/metrics/", nil, 404},
		{"GET", host + "/metrics/a/b", nil, 404},
		{"GET", host + "/metrics/%2e%2e%2fevents", nil, 404},
		{"GET", host + "/metrics/Events", nil, 404},
		{"GET", host + "/health", nil, 404},
		{"GET", host + "/metrics/events", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"GET", host + "/metrics/events", []string{"Sec-Fetch-Site", "none"}, 200},
		{"GET", host + "/metrics/events", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"GET", host + "/metrics/events", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"GET", host + "/health", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"GET", host + "/about", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"GET", host + "/", []string{"Sec-Fetch-Site", "cross-site"}, 200}, // a link from elsewhere
	} {
		w := serve(o, c.method, c.url, c.header...)
		if w.Code != c.status {
			t.Errorf("%s %s %s: %d, want %d: %s", c.method, c.url, c.header, w.Code, c.status, w.Body)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Content-Security-Policy": "frame-ancestors 'none'"} {
			if !strings.Contains(w.Header().Get(name), want) {
				t.Errorf("%s: %s is %q", c.url, name, w.Header().Get(name))
			}
		}
	}
}

func TestPageIsWhole(t *testing.T) {
	total := 0
	scripts := strings.Fields("alerts answers app chart color connection copy csv dom events feed health live metrics number question range recent route start tabs theme time users")
	files := map[string]string{"/": "text/html", "/style.css": "text/css", "/icon.svg": "image/svg+xml"}
	for _, name := range scripts {
		files["/"+name+".js"] = "text/javascript"
	}
	for path, kind := range files {
		w := serve(dashboard.Options{API: echo{}}, "GET", host+path)
		body := w.Body.String()
		total += len(body)
		tag := w.Header().Get("ETag")
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || len(tag) != 24 || w.Header().Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d, %v", path, w.Code, w.Header())
		}
		for _, foreign := range []string{"https://", "http://", "onclick=", "style=", "innerHTML"} {
			if found := strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""); strings.Contains(found, foreign) && kind != "image/svg+xml" {
				t.Errorf("%s has %s in it", path, foreign)
			}
		}
		if again := serve(dashboard.Options{API: echo{}}, "GET", host+path, "If-None-Match", tag); again.Code != 304 || again.Body.Len() > 0 {
			t.Errorf("%s again: %d, %d bytes", path, again.Code, again.Body.Len())
		}
	}
	if total > 150_000 {
		t.Errorf("the page has %d bytes", total)
	}
	t.Logf("the page has %d bytes", total)
}

func TestMetricsArePassedOn(t *testing.T) {
	o := dashboard.Options{API: echo{}}
	w := serve(o, "GET", host+"/metrics/events?from=2026-01-31T12%3A00%3A00Z&step=5m")
	if w.Body.String() != "/metrics/events?from=2026-01-31T12%3A00%3A00Z&step=5m" || w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h := w.Header()
	if h.Get("ETag") != `"tag"` || h.Get("Cache-Control") != "private, max-age=5" || h.Get("Retry-After") != "5" || h.Get("Content-Type") != "application/json" || h.Get("Set-Cookie") != "" {
		t.Errorf("%v", h)
	}
	if w := serve(o, "GET", host+"/metrics/events", "If-None-Match", `"tag"`); w.Code != 304 || w.Body.Len() > 0 || w.Header().Get("ETag") != `"tag"` {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	if w := serve(o, "HEAD", host+"/metrics/events"); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for err, status := range map[error]int{errors.New("no such host"): 502, context.DeadlineExceeded: 504} {
		w := serve(dashboard.Options{API: echo{err}}, "GET", host+"/metrics/events")
		if w.Code != status || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "query the API: "+err.Error()) {
			t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
		}
	}
}

func TestHealthAndAbout(t *testing.T) {
	n, lag, at := int64(7), 1.5, time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	o := dashboard.Options{API: echo{}, Health: func(context.Context) (dashboard.Health, error) {
		return dashboard.Health{At: at, Since: at.Add(-time.Hour), Accepted: &n, LagSeconds: &lag, LagAt: &at}, nil
	}, About: dashboard.About{Title: "shop", Environment: "production", Version: "v1", Metrics: dashboard.Metrics(definitions)}}
	const want = `{"at":"2026-01-31T12:00:00Z","since":"2026-01-31T11:00:00Z","accepted":7,"refused":null,"unavailable":null,"archived":null,"inserted":null,` +
		`"duplicates":null,"quarantined":null,"expired":null,"cacheErrors":null,"lagSeconds":1.5,"lagAt":"2026-01-31T12:00:00Z",` +
		`"waiting":null,"archiveLagSeconds":null,"failed":null,"missing":null,"troubles":[]}`
	if w := serve(o, "GET", host+"/health"); w.Body.String() != want || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s", w.Body)
	}
	const about = `{"title":"shop","environment":"production","metrics":[` +
		`{"name":"revenue","eventType":"purchase","by":["properties.country"],"field":"properties.amount","sum":true,"min":true,"max":true},` +
		`{"name":"signups","eventType":"sign_up","by":["properties.plan"],"sum":false,"min":false,"max":false}],"version":"v1"}`
	if w := serve(o, "GET", host+"/about"); w.Body.String() != about {
		t.Errorf("%s", w.Body)
	}
	o = dashboard.Options{API: echo{}, Health: func(context.Context) (dashboard.Health, error) { return dashboard.Health{}, errors.New("throttled") }}
	if w := serve(o, "GET", host+"/health"); w.Code != 502 || !strings.Contains(w.Body.String(), "throttled") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var empty struct{ Metrics []dashboard.Metric }
	if w := serve(o, "GET", host+"/about"); json.Unmarshal(w.Body.Bytes(), &empty) != nil || empty.Metrics == nil {
		t.Errorf("%s", w.Body)
	}
}

package checkup_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/checkup"
)

// fakeAPI accepts events, and counts them after a number of queries.
type fakeAPI struct {
	t             *testing.T
	sends, counts int // statuses; 0 is 202 and 200
	after         int64
	sent, asked   atomic.Int64
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		if f.sends != 0 {
			w.WriteHeader(f.sends)
			return
		}
		var e map[string]any
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err != nil || e["eventType"] != checkup.CanaryType || e["userId"] != checkup.CanaryUser || e["eventId"] != "3a6e0b5c-0000-4000-8000-000000000001" {
			f.t.Errorf("sent %s %v", body, err)
		}
		f.sent.Add(1)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	if f.counts != 0 {
		w.WriteHeader(f.counts)
		return
	}
	if r.URL.Path != "/metrics/events" || r.URL.Query().Get("eventType") != checkup.CanaryType {
		f.t.Errorf("asked %s", r.URL)
	}
	n := int64(2) // of earlier runs
	if f.sent.Load() > 0 && f.asked.Add(1) > f.after {
		n = 3
	}
	if err := json.NewEncoder(w).Encode(api.MetricResponse{Metric: "events", Points: []api.Point{{Count: n}}}); err != nil {
		f.t.Error(err)
	}
}

func TestCanary(t *testing.T) {
	for name, tt := range map[string]struct {
		fake   *fakeAPI
		slow   time.Duration
		status checkup.Status
		detail string
	}{
		"healthy":              {&fakeAPI{after: 2}, time.Minute, checkup.OK, " and queryable after "},
		"slow":                 {&fakeAPI{after: 1}, 0, checkup.Warn, "was queryable after"},
		"never queryable":      {&fakeAPI{after: 1 << 40}, time.Minute, checkup.Fail, "is not queryable after 200ms"},
		"may not send":         {&fakeAPI{sends: http.StatusForbidden}, time.Minute, checkup.Warn, "skipped: not allowed: the API returned 403 to the canary"},
		"may not query":        {&fakeAPI{counts: http.StatusForbidden}, time.Minute, checkup.Warn, "skipped: not allowed: the API returned 403 to the query"},
		"ingest fails":         {&fakeAPI{sends: http.StatusServiceUnavailable}, time.Minute, checkup.Fail, "the API returned 503 to the canary"},
		"the query fails":      {&fakeAPI{counts: http.StatusInternalServerError}, time.Minute, checkup.Fail, "the API returned 500 to the query"},
		"the API is throttled": {&fakeAPI{sends: http.StatusTooManyRequests}, time.Minute, checkup.Fail, "the API returned 429 to the canary"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.fake.t = t
			server := httptest.NewServer(tt.fake)
			defer server.Close()
			c := checkup.Canary{API: &api.Client{Endpoint: server.URL, HTTP: api.NewHTTP(1)}, SendPolicy: "send", ReadPolicy: "read",
				ID: "3a6e0b5c-0000-4000-8000-000000000001", Every: time.Millisecond, Timeout: 5 * time.Second, Slow: tt.slow}
			if tt.fake.after > 10 {
				c.Timeout = 200 * time.Millisecond
			}
			var got []checkup.Result
			if err := checkup.Run(t.Context(), []checkup.Check{c.Check()}, func(r checkup.Result) { got = append(got, r) }); err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || got[0].Status != tt.status || !strings.Contains(got[0].Detail, tt.detail) || (got[0].Remedy == "") != (tt.status == checkup.OK) {
				t.Errorf("%+v", got)
			}
		})
	}
	// An interrupt ends the run, and is no result of the check.
	server := httptest.NewServer(&fakeAPI{t: t, after: 1 << 40})
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	c := checkup.Canary{API: &api.Client{Endpoint: server.URL, HTTP: api.NewHTTP(1)}, ID: "3a6e0b5c-0000-4000-8000-000000000001", Every: time.Millisecond, Timeout: time.Minute}
	if err := checkup.Run(ctx, []checkup.Check{c.Check()}, func(r checkup.Result) { t.Errorf("%+v", r) }); err == nil {
		t.Error("no error of an interrupt")
	}
	// An API that can't be reached is a failure.
	server.Close()
	found := false
	if err := checkup.Run(t.Context(), []checkup.Check{c.Check()}, func(r checkup.Result) { found = r.Status == checkup.Fail }); err != nil || !found {
		t.Errorf("unreachable: %v", err)
	}
}

func TestNamesOf(t *testing.T) {
	n := checkup.NamesOf(map[string]map[string]string{
		"A": {"LogGroupName": "!Sub '/aws/lambda/${AWS::StackName}-ingest'\n"}, "B": {"AliasName": "!Sub alias/${AWS::StackName}\n"},
		"C": {"LogGroupName": "!Ref Other\n"}, "D": {"LogGroupName": "/fixed\n"}, "E": {"LogGroupName": "!GetAtt Log.Arn\n"},
	}, "shop")
	if strings.Join(n.LogGroups, " ") != "/aws/lambda/shop-ingest /fixed" || strings.Join(n.Aliases, " ") != "alias/shop" {
		t.Errorf("%+v", n)
	}
}

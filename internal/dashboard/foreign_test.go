package dashboard_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/local/gateway"
)

// rebound is a host name that the browser resolves to this machine, as DNS
// rebinding does.
const rebound = "evil.example"

// secret is in every answer of the functions.
const secret = "4217 events"

// targets are both ports of `streamctl local`, with functions that count.
type targets struct {
	api, page *httptest.Server
	// reached counts the requests that came through to the functions.
	reached atomic.Int64
}

func (s *targets) invoke(context.Context, []byte) ([]byte, error) {
	s.reached.Add(1)
	return []byte(`{"statusCode":200,"headers":{"Access-Control-Allow-Origin":"*"},"body":"` + secret + `"}`), nil
}

// Get responds to the dashboard's queries.
func (s *targets) Get(context.Context, string, http.Header) (*http.Response, error) {
	s.reached.Add(1)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`"` + secret + `"`))}, nil
}

func startTargets(t *testing.T, origins ...string) *targets {
	t.Helper()
	s := &targets{}
	s.api, s.page = httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	s.api.Config.Handler = gateway.New(gateway.Options{
		Routes: []gateway.Route{
			{Method: http.MethodPost, Path: "/events", Invoke: s.invoke},
			{Method: http.MethodGet, Path: "/metrics/{metric}", Invoke: s.invoke},
		},
		Origins: origins, Addr: s.api.Listener.Addr().String(), Rate: 1000, Burst: 1000, Log: slog.New(slog.DiscardHandler),
	})
	s.page.Config.Handler = dashboard.New(dashboard.Options{API: s, About: dashboard.About{Title: secret}, Health: func(context.Context) (dashboard.Health, error) {
		s.reached.Add(1)
		return dashboard.Health{}, nil
	}})
	for _, server := range []*httptest.Server{s.api, s.page} {
		server.Start()
		t.Cleanup(server.Close)
	}
	return s
}

// startPage serves an empty page of another origin.
func startPage(t *testing.T) *httptest.Server {
	t.Helper()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>elsewhere</title><body></body>")
	}))
	t.Cleanup(page.Close)
	return page
}

// attack writes to and reads from a server by every means that a page has, and returns
// the text that it could read.
const attack = `(async (base) => {
	const body = JSON.stringify({userId: "u", eventType: "x"});
	const read = [];
	const ask = (path, options) => fetch(base + path, options).then((r) => r.text()).then((t) => read.push(t), () => {});
	const shown = (tag, attribute, path) => new Promise((done) => {
		const e = document.createElement(tag);
		e.onload = e.onerror = () => {
			try { if (e.contentDocument) read.push(e.contentDocument.body.innerText); } catch (_) {}
			done();
		};
		setTimeout(done, 3000);
		if (tag === "link") e.rel = "stylesheet";
		e[attribute] = base + path;
		document.body.append(e);
	});
	const form = (enctype) => new Promise((done) => {
		const frame = document.createElement("iframe"), f = document.createElement("form"), field = document.createElement("input");
		frame.name = "frame" + Math.random();
		f.method = "POST"; f.action = base + "/events"; f.enctype = enctype; f.target = frame.name;
		field.name = '{"userId":"u","eventType":"x","properties":{"a":"'; field.value = '"}}';
		f.append(field);
		document.body.append(frame, f);
		frame.onload = done;
		setTimeout(done, 3000);
		f.submit();
	});
	navigator.sendBeacon(base + "/events", body);
	navigator.sendBeacon(base + "/events", new Blob([body], {type: "text/plain"}));
	await Promise.all([
		ask("/events", {method: "POST", body, headers: {"Content-Type": "text/plain"}}),
		ask("/events", {method: "POST", body, headers: {"Content-Type": "application/json"}}),
		ask("/events", {method: "POST", body: new Blob([body])}),
		ask("/events", {method: "POST", body, mode: "no-cors"}),
		ask("/events", {method: "POST", body, mode: "no-cors", referrerPolicy: "no-referrer", keepalive: true}),
		ask("/metrics/events"), ask("/metrics/events", {mode: "no-cors"}), ask("/metrics/summary", {credentials: "include"}), ask("/health"), ask("/about"),
		form("text/plain"), form("application/x-www-form-urlencoded"), form("multipart/form-data"),
		shown("img", "src", "/metrics/events"), shown("script", "src", "/metrics/events"), shown("iframe", "src", "/metrics/events"),
		shown("link", "href", "/metrics/events"), shown("script", "src", "/about"), shown("iframe", "src", "/health"),
		new Promise((done) => setTimeout(done, 500)), // the beacons
	]);
	return read.join("\n");
})`

// run attacks a server from a page.
func (b *browser) run(page, base string) (read string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Run(ctx, chromedp.Navigate(page), chromedp.Evaluate(attack+`("`+base+`")`, &read, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true)
	}))
	if err != nil {
		b.t.Fatal(err)
	}
	return read
}

// TestForeignPagesReachNeitherPort has pages of another port and of a name that
// was rebound to this machine write to and read from the API and the dashboard.
func TestForeignPagesReachNeitherPort(t *testing.T) {
	t.Parallel()
	s, elsewhere := startTargets(t), startPage(t)
	b := openTab(t)
	at := func(server *httptest.Server, host string) string {
		u, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return "http://" + host + ":" + u.Port()
	}
	for name, target := range map[string]*httptest.Server{"API": s.api, "dashboard": s.page} {
		for from, c := range map[string]struct{ page, base string }{
			"another port":              {elsewhere.URL, target.URL},
			"another port of localhost": {at(elsewhere, "localhost"), at(target, "localhost")},
			"another host of loopback":  {at(elsewhere, "localhost"), target.URL},
			"a rebound name":            {at(elsewhere, rebound), target.URL},
			// For the browser this is the site's own page: it sends neither Origin nor
			// Sec-Fetch-Site with its reads.
			"the rebound name itself": {at(target, rebound) + "/about", at(target, rebound)},
		} {
			read := b.run(c.page, c.base)
			if n := s.reached.Swap(0); n > 0 || strings.Contains(read, secret) {
				t.Errorf("%s, from %s: %d requests came through, and read was %q", name, from, n, read)
			}
		}
	}

	// A program gets a response to the same requests.
	for _, ask := range [][2]string{{http.MethodPost, s.api.URL + "/events"}, {http.MethodGet, s.api.URL + "/metrics/events"}, {http.MethodGet, s.page.URL + "/metrics/events"}} {
		if status := request(t, ask[0], ask[1]); status != http.StatusOK || s.reached.Swap(0) != 1 {
			t.Errorf("a program's %s: %d", ask, status)
		}
	}
}

// request sends a request as a program does.
func request(t *testing.T, method, url string) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(`{"userId":"u","eventType":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// TestPagesOfAConfiguredOriginReachTheAPI has the same page do the same, as an
// origin of CorsAllowedOrigins: it writes and reads.
func TestPagesOfAConfiguredOriginReachTheAPI(t *testing.T) {
	t.Parallel()
	elsewhere := startPage(t)
	s := startTargets(t, elsewhere.URL)
	b := openTab(t)
	read := b.run(elsewhere.URL, s.api.URL)
	if n := s.reached.Load(); n < 8 || !strings.Contains(read, secret) {
		t.Errorf("%d requests came through, and read was %q", n, read)
	}
	other := startPage(t)
	s.reached.Store(0)
	if read := b.run(other.URL, s.api.URL); s.reached.Load() > 0 || strings.Contains(read, secret) {
		t.Errorf("from another origin %d requests came through, and read was %q", s.reached.Load(), read)
	}
}

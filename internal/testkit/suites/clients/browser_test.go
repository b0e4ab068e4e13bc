package clients_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/streamctl/streamctl/internal/testkit/must"
	"github.com/streamctl/streamctl/internal/testkit/suites/clients"
)

// site serves a page with a library, from another port than the API: another origin.
func (w *workplace) site(library, globals, script string) string {
	w.t.Helper()
	node := must.Have(w.t, "clients-node", "scripts/setup installs it")
	modules := filepath.Join(filepath.Dir(filepath.Dir(node)), "clients-node", "node_modules")
	mux := http.NewServeMux()
	mux.Handle("/lib/", http.StripPrefix("/lib/", http.FileServer(http.Dir(modules))))
	mux.HandleFunc("/", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(out, "<!doctype html><title>Shop</title><script src=\"/lib/%s\"></script><script>%s\n%s</script>", library, globals, script)
	})
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	return server.URL
}

// open opens a page in a Chromium of its own, which resolves no other names: the
// libraries' default servers are unreachable.
func (w *workplace) open(url string) context.Context {
	w.t.Helper()
	path := chromium(w.t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(profile(w.t)),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(w.t.Context()), options...) // it ends gracefully
	ctx, cancel := chromedp.NewContext(allocator)
	w.t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits until the browser has ended, which writes into its folder until then
		cancel()
		stop()
	})
	if err := chromedp.Run(ctx, network.Enable(), chromedp.Navigate(url)); err != nil {
		w.t.Fatal(err)
	}
	return ctx
}

// profile returns a folder for a browser, whose processes may write into it for a moment
// after the browser has ended.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "streamctl-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := os.RemoveAll(dir)
		for try := 0; err != nil && try < 50; try++ {
			<-time.After(100 * time.Millisecond)
			err = os.RemoveAll(dir)
		}
		if err != nil {
			t.Error(err)
		}
	})
	return dir
}

// chromium finds the browser, under the names that it has.
func chromium(t *testing.T) string {
	if path, err := exec.LookPath("google-chrome"); err == nil {
		return path
	}
	return must.Have(t, "chromium", "scripts/setup installs it")
}

// send tracks n events with the page's library.
func (w *workplace) send(ctx context.Context, run string, n int) {
	w.t.Helper()
	script := fmt.Sprintf(`for (let i = 0; i < %d; i++) analytics.track('Order Completed', { run: '%s', i }); 1`, n, run)
	if err := chromedp.Run(ctx, chromedp.Evaluate(script, nil)); err != nil {
		w.t.Fatal(err)
	}
}

// browserFaults are few: the pages wait longer after each.
var browserFaults = []clients.Fault{clients.Throttle, clients.Fail, clients.Lose, clients.Repeat}

const few = 8

// Libraries for browsers, and the names that they define in a page.
const (
	segmentLibrary, segmentGlobals = "@segment/analytics-next/dist/umd/index.js", "const { AnalyticsBrowser } = AnalyticsNext"
	rudderLibrary, rudderGlobals   = "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js", "const { RudderAnalytics } = rudderanalytics"
)

func TestBrowsers(t *testing.T) {
	w := start(t)
	segment := w.inPage("web-segment")
	batching := strings.Replace(segment, "protocol: 'http'", "protocol: 'http', deliveryStrategy: { strategy: 'batching', config: { size: 3, timeout: 300 } }", 1)
	if batching == segment {
		t.Fatal(segment)
	}
	for run, c := range map[string]struct{ library, globals, script string }{
		"web-segment":  {segmentLibrary, segmentGlobals, segment},
		"web-batching": {segmentLibrary, segmentGlobals, batching},
		"web-rudder":   {rudderLibrary, rudderGlobals, w.inPage("web-rudder")},
	} {
		t.Run(run, func(t *testing.T) {
			w := w.in(t)
			began := time.Now()
			w.front.Plan(browserFaults...)
			ctx := w.open(w.site(c.library, c.globals, c.script))
			w.send(ctx, run, few)
			w.exactly(run, few, began)
			w.offline(ctx, run, few)
		})
	}
}

// TestTabs closes a tab while its messages are on their way, and opens the page again.
func TestTabs(t *testing.T) {
	w := start(t)
	segment := w.inPage("web-segment")
	beacon := strings.Replace(w.inPage("web-rudder"), "getSourceConfig:", "useBeacon: true, beaconQueueOptions: { maxItems: 3, flushQueueInterval: 300 }, getSourceConfig:", 1)
	for run, c := range map[string]struct{ library, globals, script string }{
		"tab-standard": {segmentLibrary, segmentGlobals, segment},
		"tab-batching": {segmentLibrary, segmentGlobals, strings.Replace(segment, "protocol: 'http'", "protocol: 'http', deliveryStrategy: { strategy: 'batching', config: { size: 3, timeout: 300 } }", 1)},
		"tab-beacon":   {rudderLibrary, rudderGlobals, beacon},
	} {
		t.Run(run, func(t *testing.T) {
			w := w.in(t)
			began := time.Now()
			w.front.Plan()
			url := w.site(c.library, c.globals, c.script)
			first := w.open(url)
			second, cancel := chromedp.NewContext(first)
			defer cancel()
			if err := chromedp.Run(second, chromedp.Navigate(url)); err != nil {
				t.Fatal(err)
			}
			w.send(second, run, few)
			if err := chromedp.Run(second, page.Close()); err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Run(first, chromedp.Navigate(url)); err != nil {
				t.Fatal(err)
			}
			w.exactly(run, few, began)
			if run == "tab-beacon" && w.front.Beacons() == 0 {
				t.Error("no message was sent with the beacon")
			}
		})
	}
}

// offline sends while the page has no network, and goes back.
func (w *workplace) offline(ctx context.Context, run string, n int) {
	w.t.Helper()
	began := time.Now()
	cut := func(offline bool) {
		conditions := network.OverrideNetworkState(offline, 0, -1, -1)
		err := chromedp.Run(ctx, chromedp.ActionFunc(func(ctx context.Context) error {
			return cdp.Execute(ctx, "Network.emulateNetworkConditions", conditions, nil)
		}))
		if err != nil {
			w.t.Fatal(err)
		}
	}
	cut(true)
	w.send(ctx, run+"-offline", n)
	cut(false)
	w.exactly(run+"-offline", n, began)
}

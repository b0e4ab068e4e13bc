package dashboard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Expressions that become true on a loaded page.
const (
	live  = `document.querySelector("#connection").dataset.kind === "live"`
	ready = live + ` && /\d/.test(document.querySelector("#rate").textContent) && ![...document.querySelectorAll(".bone")].some((e) => e.checkVisibility())`
	lost  = `document.querySelector("#connection").dataset.kind === "lost"`
	focus = `document.activeElement`
)

// look is a width of the window and a theme.
type look struct {
	width int64
	theme string
}

func (l look) String() string { return fmt.Sprintf("%d-%s", l.width, l.theme) }

var (
	allLooks = []look{{1280, "light"}, {1280, "dark"}, {390, "light"}, {390, "dark"}}
	// fewLooks have each width and each theme once.
	fewLooks = []look{{1280, "light"}, {390, "dark"}}
)

func text(id string) string { return `document.querySelector("#` + id + `").innerText` }

// TestPage uses the page as a person would, in each theme and at each width.
func TestPage(t *testing.T) {
	for _, c := range allLooks {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			b := openTab(t)
			name := c.String()
			o, _ := options(t, shop())
			s := newSite(t, o)
			b.open(s.server.URL+"/", c.width, 900, c.theme)
			b.until(ready)
			b.fits()
			b.contrast()
			b.shoot(name, true)
			b.moves()
			b.filters(s)
			b.shoot(name+"-filtered", false)
			b.reads()
			b.loses(s, name)
			b.do(chromedp.Navigate("about:blank"))
			b.silent()
		})
	}
}

// moves waits until the numbers change without any input.
func (b *browser) moves() {
	b.t.Helper()
	hour, total := js[string](b, text("hour")), js[string](b, `document.querySelector("#types-note").innerText`)
	b.until(fmt.Sprintf(`%s !== %q && document.querySelector("#types-note").innerText !== %q`, text("hour"), hour, total))
	if !js[bool](b, `/^\d/.test(`+text("rate")+`) && parseFloat(`+text("rate")+`) > 1`) {
		b.t.Errorf("events per second: %s", js[string](b, text("rate")))
	}
}

// filters selects two types with the keyboard only, and opens the link to that
// selection.
func (b *browser) filters(s *site) {
	b.t.Helper()
	b.do(chromedp.Evaluate(`document.querySelector("#main").focus()`, nil))
	b.tabTo(focus + `.name === "range"`)
	b.do(chromedp.KeyEvent(kb.ArrowLeft))
	b.until(`location.hash === "#range=15m" && ` + text("types-note") + `.endsWith("in 15 min")`)
	b.tabTo(focus + `.value === "search"`)
	b.do(chromedp.KeyEvent(" "))
	b.tabTo(focus + `.value === "purchase"`)
	b.do(chromedp.KeyEvent(" "))
	b.until(`location.hash === "#range=15m&type=search&type=purchase"`)
	if kept := js[string](b, focus+`.value`); kept != "purchase" {
		b.t.Errorf("the focus went to %q", kept)
	}
	const series = `document.querySelectorAll("#events-chart .bar:not(.open)").length`
	if n := js[int](b, series); n != 2 {
		b.t.Errorf("%d types are drawn", n)
	}
	if off := js[int](b, `document.querySelectorAll("#types-table .off").length`); off != 7 {
		b.t.Errorf("%d types are dimmed", off)
	}
	link := js[string](b, `location.href`)
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(link))
	b.until(ready)
	if n := js[int](b, series); n != 2 {
		b.t.Errorf("by the link %d types are drawn", n)
	}
	if !strings.HasPrefix(link, s.server.URL) || js[int](b, `document.querySelectorAll("#types :checked").length`) != 2 {
		b.t.Errorf("%s chooses otherwise", link)
	}
}

// reads reads the charts with the keyboard, and opens a table.
func (b *browser) reads() {
	b.t.Helper()
	b.tabTo(focus + `.matches("#events-chart .plot")`)
	b.do(chromedp.KeyEvent(kb.Home), chromedp.KeyEvent(kb.ArrowRight))
	const value = focus + `.getAttribute("aria-valuetext")`
	if said := js[string](b, value); !strings.Contains(said, ", All ") || !strings.Contains(said, "search ") || js[string](b, focus+`.getAttribute("aria-valuenow")`) != "1" {
		b.t.Errorf("the chart says %q", said)
	}
	if !js[bool](b, `document.querySelector("#events-chart .tip").checkVisibility()`) {
		b.t.Error("no tooltip")
	}
	b.fits()
	b.do(chromedp.KeyEvent(kb.Escape))
	if js[bool](b, `document.querySelector("#events-chart .tip").checkVisibility()`) {
		b.t.Error("the tooltip stays")
	}
	b.tabTo(focus + `.matches("#events-chart summary")`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelectorAll("#events-chart tbody tr").length === 15`)
	b.fits()
	b.do(chromedp.KeyEvent(kb.Enter))
}

// loses stops the server and starts it again.
func (b *browser) loses(s *site, name string) {
	b.t.Helper()
	b.outage(true)
	s.stop()
	b.until(lost)
	before := js[string](b, text("hour"))
	if banner := js[string](b, text("banner")); !strings.Contains(banner, "Disconnected since ") || !strings.Contains(banner, "last values") {
		b.t.Errorf("the banner says %q", banner)
	}
	if said := js[string](b, text("announce")); !strings.HasPrefix(said, "Disconnected since") {
		b.t.Errorf("announced: %q", said)
	}
	if before == "" || !js[bool](b, `document.body.classList.contains("lost")`) {
		b.t.Error("the last numbers aren't there, dimmed")
	}
	b.fits()
	b.contrast()
	b.shoot(name+"-lost", false)
	s.start()
	b.until(live)
	b.outage(false)
	b.until(text("hour") + fmt.Sprintf(` !== %q && document.querySelector("#banner").hidden && %s === "Connected again."`, before, text("announce")))
}

func TestStates(t *testing.T) {
	for _, c := range fewLooks {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			b := openTab(t)
			name := c.String()
			b.empty(name, c.width, c.theme)
			b.stale(name, c.width, c.theme)
			b.silent()
		})
	}
}

// empty shows how to send a first event, until one arrives.
func (b *browser) empty(name string, width int64, theme string) {
	b.t.Helper()
	none := shop()
	none.factor.Store(0)
	o, api := options(b.t, none)
	o.About.Send = `streamctl send --user user123 --type page_view`
	s := newSite(b.t, o)
	b.open(s.server.URL+"/", width, 900, theme)
	b.until(`!document.querySelector("#start").hidden && document.querySelectorAll("#start pre").length === 2`)
	for _, want := range []string{"streamctl send", `curl -X POST "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod/events"`, "aws:amz:eu-west-1:execute-api"} {
		if said := js[string](b, text("start")); !strings.Contains(said, want) {
			b.t.Errorf("%q isn't in %s", want, said)
		}
	}
	b.until(`document.querySelector("#rate").innerText === "0"`)
	b.fits()
	b.contrast()
	b.shoot(name+"-empty", true)
	if api.notModified.Load() == 0 {
		b.t.Error("no answer was a 304")
	}
	none.factor.Store(1)
	b.until(`document.querySelector("#start").hidden && document.querySelector("#events-chart .bar") !== null`)
}

// stale shows the banner for old data, then for missing data.
func (b *browser) stale(name string, width int64, theme string) {
	b.t.Helper()
	behind := shop()
	behind.behind = 6 * time.Minute
	o, api := options(b.t, behind)
	s := newSite(b.t, o)
	b.open(s.server.URL+"/#range=6h", width, 900, theme)
	b.until(`document.querySelector("#connection").dataset.kind === "stale"`)
	b.until(`document.querySelectorAll("#fresh .watch").length >= 4`)
	if said := js[string](b, text("banner")); !strings.Contains(said, "out of date") || !strings.Contains(said, "6 min ago") {
		b.t.Errorf("the banner says %q", said)
	}
	b.fits()
	b.contrast()
	b.shoot(name+"-stale", true)
	b.outage(true)
	behind.down.Store(true)
	b.until(`document.querySelector("#connection").dataset.kind === "refused" && ` + text("banner") + `.includes("the cache and the warehouse are unavailable")`)
	behind.down.Store(false)
	away := errors.New("call a1b2c3.execute-api: no such host")
	api.away.Store(&away)
	b.until(lost + ` && ` + text("banner") + `.includes("no such host")`)
	b.shoot(name+"-away", false)
	api.away.Store(nil)
	b.until(`document.querySelector("#connection").dataset.kind === "stale"`)
	b.do(chromedp.Navigate("about:blank"))
	b.outage(false)
}

// TestRanges draws each range.
func TestRanges(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	o, _ := options(t, shop())
	s := newSite(t, o)
	b.open(s.server.URL+"/", 1280, 900, "light")
	b.until(ready)
	for _, c := range []struct{ key, unit string }{{"15m", "minute"}, {"6h", "minute"}, {"24h", "5 minutes"}, {"7d", "hour"}} {
		b.do(chromedp.Evaluate(`document.querySelector("[name=range][value='`+c.key+`']").click()`, nil))
		b.until(`document.querySelector("#events-chart .unit").textContent === "events per ` + c.unit + `" && location.hash.endsWith("` + c.key + `")`)
		b.shoot("1280-light-"+c.key, false)
	}
	b.do(chromedp.Evaluate(`document.querySelector("[name=metric-revenue-measure][value=max]").click()`, nil))
	b.until(`document.querySelector("section.metric .unit").textContent === "max per 2 hours"`)
	b.do(chromedp.Evaluate(`scrollTo(0, 0)`, nil), chromedp.MouseEvent("mouseMoved", 640, 400))
	b.until(`document.querySelector("#events-chart .tip").checkVisibility()`)
	b.shoot("1280-light-tooltip", true)
	b.do(chromedp.Evaluate(`document.querySelector("#theme").click()`, nil)) // from the system's to the other
	if theme := js[string](b, `document.documentElement.dataset.theme`); theme != "dark" {
		t.Errorf("the theme is %q", theme)
	}
	b.silent()
}

// TestPages follows the cursors of a response with several pages.
func TestPages(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	o, api := options(t, shop())
	long := &longAPI{handlerAPI: api}
	o.API = long
	s := newSite(t, o)
	b.open(s.server.URL+"/", 1280, 900, "light")
	b.until(ready)
	b.until(`document.querySelector("section.metric [role=slider]").getAttribute("aria-valuemax") === "2999"`)
	if n := long.cursors.Load(); n < 2 {
		t.Errorf("%d cursors were followed", n)
	}
	b.silent()
}

// longAPI responds to every query with revenue for 3,000 minutes.
type longAPI struct {
	*handlerAPI
	cursors atomic.Int64
}

func (a *longAPI) Get(ctx context.Context, pathAndQuery string, header http.Header) (*http.Response, error) {
	switch {
	case strings.Contains(pathAndQuery, "?cursor="):
		a.cursors.Add(1)
	case strings.HasPrefix(pathAndQuery, "/metrics/revenue?"):
		to := a.Clock.Now().Truncate(time.Minute)
		pathAndQuery = "/metrics/revenue?from=" + to.Add(-3000*time.Minute).UTC().Format(time.RFC3339) + "&to=" + to.UTC().Format(time.RFC3339)
	}
	return a.handlerAPI.Get(ctx, pathAndQuery, header)
}

// TestNumbers shows numbers that floating point can't represent.
func TestNumbers(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	o, _ := options(t, shop())
	b.open(newSite(t, o).server.URL+"/", 800, 600, "light")
	for expression, want := range map[string]string{
		`m.exact(m.plus(m.decimal("12345678901234567890.123"), m.decimal("0.877")))`:                     "12,345,678,901,234,567,891",
		`m.exact(m.plus(m.decimal("0.1"), m.decimal("0.2")))`:                                            "0.3",
		`m.exact(m.decimal("-1234.50"))`:                                                                 "\u22121,234.5",
		`m.exact(m.decimal("1e21"))`:                                                                     "1,000,000,000,000,000,000,000",
		`m.exact(m.decimal("-25e-3"))`:                                                                   "\u22120.025",
		`m.exact(m.decimal("-0.0"))`:                                                                     "0",
		`String(m.less(m.decimal("-2"), m.decimal("-1.9999999999999999999")))`:                           "true",
		`m.parse('{"sum":12345678901234567890.5,"values":["a\\"sum\\":1"],"min":-0.10}').sum`:            "12345678901234567890.5",
		`m.parse('{"values":["a\\"sum\\":1","sum"]}').values.join()`:                                     `a"sum":1,sum`,
		`[0, 7, 999, 1000, 1250, 12500, 2e6, 0.25, -1500, 12e18].map(m.short).join(" ")`:                 "0 7 999 1k 1.3k 13k 2M 0.25 \u22121.5k 1.2e19",
		`[m.percent(1, 3), m.percent(1, 1e6), m.percent(0, 0), m.percent(0, 5), m.percent(1, 1)].join()`: "33 %,< 0.1 %,0 %,0.0 %,100 %",
		`[m.rate(0), m.rate(0.04), m.rate(3.14), m.rate(1234.5)].join()`:                                 "0,0.0,3.1,1,235",
	} {
		var got string
		b.do(chromedp.Evaluate(`import("/number.js").then((m) => `+expression+`)`, &got, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		if got != want {
			t.Errorf("%s is %q, want %q", expression, got, want)
		}
	}
}

func TestAccessibleNames(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	o, _ := options(t, shop())
	s := newSite(t, o)
	b.open(s.server.URL+"/", 1280, 900, "light")
	b.until(ready)
	names := b.names()
	for role, want := range map[string][]string{
		"banner": {""}, "main": {""}, "contentinfo": {""}, "button": {"Dark theme"}, "checkbox": {"page_view", "checkout.error"},
		"radio": {"15 min", "7 days", "Sum"}, "slider": {"Events by time and type", "Users per day", "revenue by time"},
		"heading": {"shop", "Events per minute", "revenue"}, "group": {"Time range", "Filter by event type", "Measure of revenue"},
		"region": {"Events per minute", "Now", "Declared metrics"}, "table": {"Event types in the selected range", "Top values of revenue"},
	} {
		for _, name := range want {
			if !slices.Contains(names[role], name) {
				t.Errorf("no %s %q in %q", role, name, names[role])
			}
		}
	}
	for _, role := range []string{"button", "checkbox", "radio", "slider", "region", "group", "table", "link", "heading"} {
		if slices.Contains(names[role], "") {
			t.Errorf("a %s without a name", role)
		}
	}
}

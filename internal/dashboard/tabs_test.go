package dashboard_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/streamctl/streamctl/internal/dashboard"
)

// questionAPI responds to questions with fixed answers, and to other queries like a stack.
type questionAPI struct {
	*handlerAPI
	mu sync.Mutex
	// asked are the queries for questions; status and problem are the response to all.
	asked   []string
	status  int
	problem string
	// share is the userShare of the answers.
	share string
	// alerts is the response for alerts; a stack without them has none.
	alerts       func() string
	alertsStatus int
}

var answers = map[string]string{
	"/metrics/funnel": `"funnel":{"windowSeconds":604800,"by":"properties.country","steps":[{"step":"page_view","users":4000,"conversion":1},{"step":"checkout","users":1200,"conversion":0.3,"medianSeconds":600},{"step":"purchase","users":300,"conversion":0.075,"medianSeconds":93784}],
		"groups":[{"value":"=DE()","steps":[{"step":"page_view","users":2500,"conversion":1},{"step":"checkout","users":800,"conversion":0.32},{"step":"purchase","users":250,"conversion":0.1}]},{"value":"","steps":[{"step":"page_view","users":1500,"conversion":1},{"step":"checkout","users":400,"conversion":0.26},{"step":"purchase","users":50,"conversion":0.03}]}],"rest":3}`,
	"/metrics/retention": `"retention":{"unit":"week","zone":"UTC","cohorts":[{"start":"2026-11-02T00:00:00Z","users":820,"returned":[610,400,260,240]},{"start":"2026-11-09T00:00:00Z","users":900,"returned":[700,430,330],"open":true},{"start":"2026-11-16T00:00:00Z","users":0,"returned":[0,0],"open":true}]}`,
	"/metrics/sessions":  `"sessions":{"gapSeconds":1800,"sessions":5210,"users":3301,"events":41000,"medianSeconds":372.5,"meanSeconds":610,"eventsPerSession":7.869,"bounceRate":0.214,"entries":[{"eventType":"page_view","count":4100},{"eventType":"<b>search","count":1110}],"exits":[{"eventType":"purchase","count":5210}]}`,
	"/metrics/breakdown": `"breakdown":{"by":["properties.country"],"property":"properties.amount","percents":[50,90],"groups":[{"values":["DE"],"count":1200,"users":800,"numbers":1200,"sum":12345678901234567890.5,"min":1,"max":99.5,"percentiles":[20,9007199254740993]}],"rest":{"count":7,"users":6},"restGroups":3}`,
	"/metrics/paths":     `"paths":{"depth":2,"occurrences":3000,"users":2100,"paths":[{"types":["checkout","purchase"],"count":1800,"users":1500},{"types":[],"count":900,"users":700}],"rest":300,"restPaths":12}`,
	"/metrics/live":      `"live":{"users":73,"events":912,"types":[{"eventType":"page_view","count":512},{"eventType":"search","count":400}]}`,
}

func (a *questionAPI) Get(ctx context.Context, pathAndQuery string, header http.Header) (*http.Response, error) {
	path, _, _ := strings.Cut(pathAndQuery, "?")
	a.mu.Lock()
	defer a.mu.Unlock()
	body, status := answers[path], http.StatusOK
	switch {
	case path == "/metrics/alerts" && a.alerts != nil:
		body, status = a.alerts(), cmp.Or(a.alertsStatus, status)
	case body == "":
		return a.handlerAPI.Get(ctx, pathAndQuery, header)
	case a.status != 0:
		a.asked, body, status = append(a.asked, pathAndQuery), a.problem, a.status
	default:
		a.asked = append(a.asked, pathAndQuery)
		body = fmt.Sprintf(`{"question":"x","from":"2026-11-20T00:00:00Z","to":"2026-11-27T00:00:00Z","source":"warehouse","asOf":"%s","stale":false,"userShare":%s,"eventsRead":41000,%s}`,
			time.Now().UTC().Format(time.RFC3339), a.share, body)
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}, "Retry-After": {"5"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (a *questionAPI) respond(status int, problem, share string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.problem, a.share = status, problem, share
}

// last returns the parameters of the last question.
func (a *questionAPI) last() url.Values {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.asked) == 0 {
		return nil
	}
	u, err := url.Parse(a.asked[len(a.asked)-1])
	if err != nil {
		return nil
	}
	return u.Query()
}

func newQuestions(t *testing.T) (*site, *questionAPI) {
	o, api := options(t, shop())
	q := &questionAPI{handlerAPI: api, share: "1"}
	o.API = q
	return newSite(t, o), q
}

// questionTabs are the tabs with an answer, and a text of it.
var questionTabs = []struct{ tab, hash, want string }{
	{"funnel", "#tab=funnel&steps=page_view%2C+checkout%2C+purchase&by=country&range=7d", "7.5 % of the first step, 25 % of the previous one; median 26 h 3 min after it"},
	{"retention", "#tab=retention&range=30d", "74 %"},
	{"sessions", "#tab=sessions", "6 min 12 s"},
	{"breakdown", "#tab=breakdown&by=country&property=amount", "12,345,678,901,234,567,890.5"},
	{"paths", "#tab=paths&event=page_view", "checkout \u2192 purchase"},
}

// TestTabs shows each tab in each theme and at each width.
func TestTabs(t *testing.T) {
	for _, c := range allLooks {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			b := openTab(t)
			s, _ := newQuestions(t)
			for _, tab := range questionTabs {
				b.open(s.server.URL+"/"+tab.hash, c.width, 900, c.theme)
				panel := "panel-" + tab.tab
				b.until(fmt.Sprintf(`%s.includes(%q)`, text(panel), tab.want))
				b.do(chromedp.Evaluate(`document.querySelectorAll("#`+panel+` .more details").forEach((d) => (d.open = true))`, nil))
				b.until(text(panel) + `.includes("FROM people_events")`)
				b.fits()
				b.contrast()
				b.shoot(fmt.Sprintf("tab-%s-%s", c, tab.tab), true)
			}
			for _, tab := range []string{"events", "health"} {
				b.open(s.server.URL+"/#tab="+tab, c.width, 900, c.theme)
				b.until(ready)
				b.fits()
				b.contrast()
				b.shoot(fmt.Sprintf("tab-%s-%s", c, tab), true)
			}
			b.silent()
		})
	}
}

// TestQuestionInWords shows a question that a person enters, then partial answers and
// failures.
func TestQuestionInWords(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	s, api := newQuestions(t)
	b.open(s.server.URL+"/", 1280, 900, "light")
	b.until(ready)
	b.do(chromedp.Evaluate(`document.querySelector("#tab-overview").focus()`, nil), chromedp.KeyEvent(kb.ArrowRight))
	b.until(`location.hash === "#tab=funnel" && document.querySelector("#tab-funnel").getAttribute("aria-selected") === "true" && ` + text("panel-funnel") + `.includes("at least two steps")`)
	if asked := api.last(); asked != nil {
		t.Errorf("asked %v without steps", asked)
	}
	b.tabTo(focus + `.id === "funnel-steps"`)
	b.do(chromedp.KeyEvent("page_view, purchase{amount>10}"), chromedp.KeyEvent(kb.Enter))
	b.until(text("panel-funnel") + `.includes("1,200 users")`)
	asked := api.last()
	if asked.Get("steps") != "page_view, purchase{amount>10}" || asked.Get("window") != "7d" || asked.Has("where") {
		t.Errorf("asked %v", asked)
	}
	link := js[string](b, `location.href`)
	if !strings.HasSuffix(link, "/#tab=funnel&steps=page_view%2C+purchase%7Bamount%3E10%7D&range=7d") {
		t.Errorf("the link is %s", link)
	}
	b.do(chromedp.Evaluate(`history.back()`, nil))
	b.until(`location.hash === "#tab=funnel" && document.querySelector("#funnel-steps").value === "" && ` + text("panel-funnel") + `.includes("at least two steps")`)
	b.do(chromedp.Evaluate(`history.back()`, nil))
	b.until(`document.querySelector("#panel-overview").checkVisibility() && !document.querySelector("#panel-funnel").checkVisibility()`)
	api.respond(0, "", "0.43")
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(link))
	b.until(text("panel-funnel") + `.includes("Partial answer. It includes 43 % of the users")`)
	b.outage(true) // the browser logs each error response
	show := func(status int, problem, want string) {
		t.Helper()
		api.respond(status, problem, "1")
		b.do(chromedp.Evaluate(`document.querySelector("#panel-funnel form").requestSubmit()`, nil))
		b.until(fmt.Sprintf(`%s.includes(%q)`, text("panel-funnel"), want))
		if js[bool](b, text("panel-funnel")+`.includes("1,200 users")`) {
			t.Error("the old answer is shown")
		}
	}
	show(503, `{"detail":"other questions are being answered"}`, "No answer now. other questions are being answered Try again in 5 s.")
	b.contrast()
	show(422, `{"detail":"too many values"}`, "too large. too many values")
	show(404, `{"detail":"unknown metric"}`, "Update the stack")
	show(400, `{"detail":"steps: want a number"}`, "not valid. steps: want a number")
	if !js[bool](b, `document.querySelector("#funnel-steps").getAttribute("aria-invalid") === "true"`) {
		t.Error("the field is not marked")
	}
	b.shoot("tab-error", false)
	s.stop()
	b.do(chromedp.Evaluate(`document.querySelector("#panel-funnel form").requestSubmit()`, nil))
	b.until(text("panel-funnel") + `.includes("server does not respond")`)
	s.start()
	b.silent()
}

// TestFollow checks the file and the commands of an answer.
func TestFollow(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	s, _ := newQuestions(t)
	b.open(s.server.URL+"/"+questionTabs[0].hash, 1280, 900, "light")
	b.until(text("panel-funnel") + `.includes("Download CSV")`)
	b.do(chromedp.Evaluate(`(() => {
		const create = URL.createObjectURL.bind(URL);
		URL.createObjectURL = (blob) => (blob.text().then((content) => (window.saved = content)), create(blob));
		HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; };
		[...document.querySelectorAll("#panel-funnel button")].find((e) => e.textContent === "Download CSV").click();
	})()`, nil))
	b.until(`window.saved && window.savedAs === "funnel-2026-11-27.csv"`)
	const want = "\"properties.country\",\"Step\",\"Users\",\"Conversion\",\"Median seconds\"\r\n\"(all)\",\"page_view\",4000,1,\r\n"
	content := js[string](b, `window.saved`)
	if !strings.HasPrefix(content, want) || !strings.Contains(content, "\"'=DE()\",\"page_view\",2500,1,\r\n") {
		t.Errorf("%q", content)
	}
	b.do(chromedp.Evaluate(`document.querySelectorAll("#panel-funnel details").forEach((d) => (d.open = true))`, nil))
	b.until(text("panel-funnel") + `.includes("count(DISTINCT person_id)")`)
	shown := js[string](b, text("panel-funnel"))
	for _, want := range []string{"curl 'https://a1b2c3.execute-api.eu-west-1.amazonaws.com/prod/metrics/funnel?by=country&from=", "steps=page_view%2C%20checkout%2C%20purchase", `--aws-sigv4 "aws:amz:eu-west-1:execute-api"`, "event_type = 'checkout' AS is2", "without the groups and the median times"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q isn't in %s", want, shown)
		}
	}
	b.silent()
}

// TestSQL requests statements.
func TestSQL(t *testing.T) {
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/sql/funnel?steps=a,b":                  {200, "event_type = 'a' AS is1"},
		"/sql/sessions?where=name%3D%22o%27x%22": {200, `'\"o''x\"'::jsonb`},
		"/sql/funnel":                            {400, "steps: is missing"},
		"/sql/live":                              {404, "no SQL"},
		"/sql/events":                            {404, "unknown question"},
	} {
		if w := serve(dashboard.Options{API: echo{}}, "GET", host+path); w.Code != want.status || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := serve(dashboard.Options{API: echo{}}, "GET", host+"/sql/funnel?steps=a,b", "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
		t.Errorf("another site: %d", w.Code)
	}
}

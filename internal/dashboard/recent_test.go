package dashboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/streamctl/streamctl/internal/dashboard"
	"github.com/streamctl/streamctl/internal/tail"
)

const hostile = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\">\u202e\u2066evil"

func hostileOptions(calls *int) dashboard.Options {
	long, _ := json.Marshal(map[string]string{"a": strings.Repeat(hostile, 400)})
	return dashboard.Options{
		API: echo{},
		Events: func(context.Context) ([]tail.Event, error) {
			*calls++
			return []tail.Event{{EventID: "1", Timestamp: time.Now(), EventType: hostile, UserID: hostile, Properties: long}}, nil
		},
		Rejected: func(context.Context) ([]tail.Rejection, error) {
			return []tail.Rejection{{Time: time.Now(), Count: 2, Reason: hostile, Field: hostile, Caller: hostile}}, nil
		},
	}
}

// TestRecent has events of a hostile sender, a failure, and another site's page.
func TestRecent(t *testing.T) {
	calls := 0
	handler := dashboard.New(hostileOptions(&calls))
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest(http.MethodGet, host+path, nil), httptest.NewRecorder()
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		handler.ServeHTTP(w, r)
		return w
	}
	var events struct {
		Items []struct{ EventType, UserID, Properties string }
	}
	for range 3 { // the later ones get the kept result
		w := get("/events")
		if err := json.Unmarshal(w.Body.Bytes(), &events); err != nil || w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%d %v %v", w.Code, w.Header(), err)
		}
	}
	var properties map[string]string
	if e := events.Items[0]; calls != 1 || e.EventType != hostile || e.UserID != hostile || json.Unmarshal([]byte(e.Properties), &properties) != nil || properties["a"] != strings.Repeat(hostile, 400) || len(e.Properties) < 30_000 {
		t.Errorf("%d calls, %q, %d bytes", calls, e.EventType, len(e.Properties))
	}
	var rejected struct{ Items []tail.Rejection }
	if w := get("/rejected"); json.Unmarshal(w.Body.Bytes(), &rejected) != nil || len(rejected.Items) != 1 || rejected.Items[0].Caller != hostile || rejected.Items[0].Count != 2 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	handler = dashboard.New(dashboard.Options{API: echo{}, Events: func(context.Context) ([]tail.Event, error) { return nil, errors.New("no permission") },
		Rejected: func(context.Context) ([]tail.Rejection, error) { return nil, nil }})
	if w := get("/events"); w.Code != 503 || !strings.Contains(w.Body.String(), "no permission") || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get("/rejected"); w.Body.String() != `{"items":[]}` {
		t.Errorf("%s", w.Body)
	}
	for _, path := range []string{"/events", "/rejected"} {
		if w := get(path, "Sec-Fetch-Site", "cross-site"); w.Code != 403 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestHostileEventsOnThePage checks that the page shows a sender's texts and runs none.
func TestHostileEventsOnThePage(t *testing.T) {
	b := openTab(t)
	calls := 0
	o, api := options(t, shop())
	o.API = &questionAPI{handlerAPI: api, share: "1"}
	h := hostileOptions(&calls)
	o.Events, o.Rejected = h.Events, h.Rejected
	s := newSite(t, o)
	b.open(s.server.URL+"/#tab=events", 390, 900, "light")
	b.until(`document.querySelectorAll("#newest tbody tr").length === 1 && document.querySelectorAll("#rejected tbody tr").length === 1`)
	if shown := js[string](b, `document.querySelector("#newest td").textContent`); !strings.Contains(shown, "<script>document.title='run'</script>") || !strings.Contains(shown, `\u202e`) {
		b.t.Errorf("the event type is shown as %q", shown)
	}
	if js[bool](b, `document.title === "run" || document.querySelector("main script, main img") !== null`) {
		b.t.Error("text of an event became a part of the page")
	}
	b.fits()
	b.do(chromedp.Navigate("about:blank"))
	b.silent()
}

// TestRecentFailure shows the reason and the fix in the list, and the rest of the page.
func TestRecentFailure(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	b.outage(true) // 503 is a network error in the browser
	o, api := options(t, shop())
	o.API = &questionAPI{handlerAPI: api, share: "1"}
	denied := errors.New("not authorized <b>")
	o.Events = func(context.Context) ([]tail.Event, error) { return nil, denied }
	o.Hint = func(err error) string {
		if !errors.Is(err, denied) {
			return ""
		}
		return "attach the policy"
	}
	b.open(newSite(t, o).server.URL+"/#tab=events", 1280, 900, "light")
	b.until(ready)
	b.until(text("newest") + ` === "read the newest events: not authorized <b>\n\nattach the policy" && ` + text("rejected") + ` === "No events were rejected in the last 15 minutes."`)
	b.do(chromedp.Navigate("about:blank"))
	b.silent()
}

func noEvents(context.Context) ([]tail.Event, error)         { return nil, nil }
func noRejections(context.Context) ([]tail.Rejection, error) { return nil, nil }

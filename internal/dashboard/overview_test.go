package dashboard_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/streamctl/streamctl/internal/dashboard"
)

// TestAlerts shows states, the times in which an alert fired, and hostile names.
func TestAlerts(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	s, api := newQuestions(t)
	at := func(minutes int) string {
		return time.Now().UTC().Add(time.Duration(-minutes) * time.Minute).Format(time.RFC3339)
	}
	api.alerts = func() string {
		return fmt.Sprintf(`{"asOf":"%[1]s","source":"warehouse","from":"%[2]s","alerts":[
			{"name":"calm","severity":"info","condition":"count of events above 5","state":"ok","since":"%[2]s","evaluated":"%[1]s","value":3},
			{"name":"no_purchases","severity":"critical","condition":"<b>no purchase</b> in 30 minutes","state":"firing","since":"%[3]s","evaluated":"%[1]s","value":null}],
			"changes":[{"name":"calm","at":"%[4]s","state":"firing","value":9},{"name":"calm","at":"%[5]s","state":"ok","value":2},{"name":"no_purchases","at":"%[3]s","state":"firing","value":null}]}`,
			at(0), at(1440), at(10), at(50), at(35))
	}
	for _, c := range fewLooks {
		b.open(s.server.URL+"/", c.width, 900, c.theme)
		b.until(ready + ` && document.querySelectorAll("#events-chart .span.top").length === 2`)
		if shown := js[string](b, `[...document.querySelectorAll("#alerts-list b")].map((e) => e.textContent).join() + " " + `+text("alerts-verdict")); shown != "no_purchases,calm 1 firing" {
			t.Errorf("alerts: %s", shown)
		}
		if js[bool](b, `document.querySelector("#alerts-list p b") !== null || !`+text("alerts-list")+`.includes("<b>no purchase</b>")`) {
			t.Error("the condition is not shown as text")
		}
		b.fits()
		b.contrast()
		b.shoot(fmt.Sprintf("alerts-%d", c.width), true)
	}
	b.silent()
}

// TestNoAlerts has the response of a stack without alerts.
func TestNoAlerts(t *testing.T) {
	_, api := newQuestions(t)
	for _, status := range []int{http.StatusNotFound, http.StatusForbidden} {
		api.alerts, api.alertsStatus = func() string { return `{"detail":"x"}` }, status
		if w := serve(dashboard.Options{API: api}, "GET", host+"/alerts?days=7"); w.Code != 200 || w.Body.String() != `{"alerts":[],"changes":[]}` {
			t.Errorf("%d: %d %s", status, w.Code, w.Body)
		}
	}
	api.alertsStatus = http.StatusServiceUnavailable
	if w := serve(dashboard.Options{API: api}, "GET", host+"/alerts"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestCustomRange selects two times in another time zone, and opens the link.
func TestCustomRange(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	s, _ := newQuestions(t)
	b.open(s.server.URL+"/", 1280, 900, "light")
	b.until(ready)
	color := js[string](b, `[...document.querySelectorAll("#types-table tbody tr")].map((r) => r.innerText.split("\t")[0].trim() + r.querySelector(".share").getAttribute("class")).sort().join()`)
	b.do(chromedp.Evaluate(`(() => {
		const zone = document.querySelector("#zone-choice");
		zone.value = "Asia/Tokyo";
		zone.dispatchEvent(new Event("change"));
		document.querySelector("[name=range][value=custom]").click();
		const set = (i, days) => (document.querySelectorAll("#panel-overview .custom input")[i].value = new Date(Date.now() - days * 864e5).toISOString().slice(0, 10) + "T00:00");
		set(0, 3);
		set(1, 1);
		document.querySelector("#panel-overview .custom button").click();
	})()`, nil))
	day := func(ago int) string { return time.Now().UTC().AddDate(0, 0, -ago).Format(time.DateOnly) }
	want := fmt.Sprintf("#from=%sT15%%3A00%%3A00Z&to=%sT15%%3A00%%3A00Z&zone=Asia%%2FTokyo", day(4), day(2))
	if hash := js[string](b, `location.hash`); hash != want {
		t.Fatalf("the link is %s, want %s", hash, want)
	}
	b.until(`document.querySelector("#events-chart .unit").textContent === "events per 15 minutes" && document.querySelector("#events-chart .bar") !== null && document.querySelector("#events-chart .bar.open") === null`)
	b.fits()
	b.contrast()
	b.shoot("custom-range", true)
	total := js[string](b, text("types-note"))
	link := js[string](b, `location.href`)
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(link))
	b.until(fmt.Sprintf(`%s === %q && document.querySelector("#zone-choice").value === "Asia/Tokyo"`, text("types-note"), total))
	if again := js[string](b, `[...document.querySelectorAll("#types-table tbody tr")].map((r) => r.innerText.split("\t")[0].trim() + r.querySelector(".share").getAttribute("class")).sort().join()`); again != color {
		t.Errorf("colors changed from %s to %s", color, again)
	}
	b.silent()
}

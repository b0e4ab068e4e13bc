package dashboard_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// TestLocalPage shows an accepted and a rejected event of a running `streamctl local`,
// wide and narrow, light and dark.
func TestLocalPage(t *testing.T) {
	t.Parallel()
	b := openTab(t)
	program, err := localrun.Build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := program.Close(); err != nil {
			t.Error(err)
		}
	}()
	dir, err := os.MkdirTemp("", "streamctl-dashboard-") // PostgreSQL may run as another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	const alerts = "Alerts:\n  - {Name: no_purchases, Value: purchase, Absent: true, WindowMinutes: 5, Severity: critical}\n  - {Name: many, Above: 1000000}\n"
	if err := os.WriteFile(filepath.Join(dir, "variables.yaml"), []byte(alerts), 0o644); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	l := program.Start(t, localrun.Spec{Dir: dir, Args: []string{"--ephemeral"}})
	post := func(body string, want int) {
		t.Helper()
		resp, err := http.Post(l.API+"/events", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != want {
			t.Fatalf("%s: %s", body, resp.Status)
		}
	}
	b.open(l.Dashboard+"/", 1280, 900, "light")
	b.until(`!document.querySelector("#start").hidden && document.querySelectorAll("#start pre").length === 9`)
	for _, want := range []string{"apiHost: '" + strings.TrimPrefix(l.API, "http://") + "/v1'", "host: '" + l.API + "'", `Endpoint: "` + l.API + `"`, ": " + l.API + "/v1/track"} {
		if shown := js[string](b, text("start")); !strings.Contains(shown, want) {
			t.Errorf("%q isn't in %s", want, shown)
		}
	}
	b.fits()
	b.contrast()
	b.shoot("local-start", true)
	curl := js[string](b, `[...document.querySelectorAll("#start pre")].at(-1).innerText`)
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", curl).Output(); err != nil || string(out) != `{"success":true}` {
		t.Errorf("%s: %s %v", curl, out, err)
	}
	b.until(`document.querySelector("#start").hidden`)
	b.do(chromedp.Evaluate(`document.querySelector("#tab-events").click()`, nil))
	b.until(text("newest") + `.includes("user123")`)
	post(`{"userId":"anna","eventType":"Order Completed","properties":{"id":12345678901234567890,"sum":1.50,"page":"/kasse?ü=<b>"}}`, http.StatusAccepted)
	post(`[{"userId":"anna","eventType":"x","properties":{"card":"4111\u0000"}},{"userId":"anna"}]`, http.StatusBadRequest)
	b.open(l.Dashboard+"/#tab=events", 1280, 900, "light")
	b.until(text("newest") + `.includes('{"id": 12345678901234567890, "sum": 1.50, "page": "/kasse?ü=<b>"}')`)
	b.until(text("rejected") + `.includes("127.0.0.1")`)
	for _, c := range []struct {
		name  string
		width int64
		theme string
	}{{"local-light", 1280, "light"}, {"local-dark", 1280, "dark"}, {"local-narrow", 390, "light"}, {"local-narrow-dark", 390, "dark"}} {
		b.open(l.Dashboard+"/#tab=events", c.width, 900, c.theme)
		b.until(ready + ` && document.querySelectorAll("#newest tbody tr, #rejected tbody tr").length === 3`)
		b.fits()
		b.contrast()
		b.shoot(c.name, true)
	}
	if shown := js[string](b, text("rejected")); !strings.Contains(shown, "properties.card") || !strings.Contains(shown, "2") || strings.Contains(shown, "4111") {
		t.Errorf("rejected events: %s", shown)
	}
	post(`{"userId":"anna","eventType":"page_view"}`, http.StatusAccepted)
	b.until(text("newest") + `.includes("page_view")`)
	localFunnel(t, b, l.Dashboard)
	localAlerts(t, b, l.Dashboard)
	b.silent()
}

// localAlerts waits until maintenance has evaluated the alerts: the one about absent
// events fires.
func localAlerts(t *testing.T, b *browser, page string) {
	t.Helper()
	for _, c := range fewLooks {
		b.open(page+"/", c.width, 900, c.theme)
		b.until(ready)
		for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline) && !js[bool](b, text("alerts-verdict")+` === "1 firing"`); {
			<-time.After(time.Second)
		}
		b.until(text("alerts-verdict") + ` === "1 firing" && document.querySelectorAll("#alerts-list li").length === 2`)
		shown := js[string](b, text("alerts-list"))
		for _, want := range []string{"firing\nno_purchases\ncritical", "ok\nmany\nwarning", "purchase", "1000000", "since "} {
			if !strings.Contains(shown, want) {
				t.Errorf("%q isn't in %q", want, shown)
			}
		}
		b.until(`document.querySelector("#events-chart .span.top") !== null`)
		b.fits()
		b.contrast()
		b.shoot(fmt.Sprintf("local-alerts-%d", c.width), true)
	}
}

// localFunnel asks for a funnel of the events, and runs the command on the page.
func localFunnel(t *testing.T, b *browser, page string) {
	t.Helper()
	b.open(page+"/#tab=funnel&steps=%22Order+Completed%22%2C+page_view&zone=Europe%2FBerlin", 1280, 900, "light")
	b.until(text("panel-funnel") + `.includes("2. page_view") && ` + text("panel-funnel") + `.includes("50 % of the first step")`)
	b.do(chromedp.Evaluate(`document.querySelectorAll("#panel-funnel details").forEach((d) => (d.open = true))`, nil))
	b.until(text("panel-funnel") + `.includes("FROM people_events")`)
	b.shoot("local-funnel", true)
	curl := js[string](b, `document.querySelector("#panel-funnel [aria-label='Command curl']").innerText`)
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", curl).Output(); err != nil || !strings.Contains(string(out), `"step":"page_view","users":1`) {
		t.Errorf("%s: %s %v", curl, out, err)
	}
	b.open(page+"/#tab=retention&zone=Europe%2FBerlin", 1280, 900, "light")
	b.until(text("panel-retention") + `.includes("Periods are in Europe/Berlin")`)
	b.open(page+"/#tab=sessions", 390, 900, "dark")
	b.until(text("panel-sessions") + `.includes("Bounce rate")`)
	b.fits()
}

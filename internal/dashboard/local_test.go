package dashboard_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

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
	b.until(`!document.querySelector("#start").hidden && document.querySelectorAll("#start pre").length === 8`)
	for _, want := range []string{"apiHost: '" + strings.TrimPrefix(l.API, "http://") + "/v1'", "host: '" + l.API + "'", `Endpoint: "` + l.API + `"`, ": " + l.API + "/v1/track"} {
		if shown := js[string](b, text("start")); !strings.Contains(shown, want) {
			t.Errorf("%q isn't in %s", want, shown)
		}
	}
	b.fits()
	b.contrast()
	b.shoot("local-start", true)
	curl := js[string](b, `[...document.querySelectorAll("#start pre")].at(-1).innerText`)
	curl = strings.Replace(curl, "2026-11-27T12:00:00Z", time.Now().UTC().Format(time.RFC3339), 1)
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", curl).Output(); err != nil || string(out) != `{"success":true}` {
		t.Errorf("%s: %s %v", curl, out, err)
	}
	b.until(`document.querySelector("#start").hidden && ` + text("newest") + `.includes("user123")`)
	post(`{"userId":"anna","eventType":"Order Completed","properties":{"id":12345678901234567890,"sum":1.50,"page":"/kasse?ü=<b>"}}`, http.StatusAccepted)
	post(`[{"userId":"anna","eventType":"x","properties":{"card":"4111\u0000"}},{"userId":"anna"}]`, http.StatusBadRequest)
	b.open(l.Dashboard+"/", 1280, 900, "light")
	b.until(text("newest") + `.includes('{"id": 12345678901234567890, "sum": 1.50, "page": "/kasse?ü=<b>"}')`)
	b.until(text("rejected") + `.includes("127.0.0.1")`)
	for _, c := range []struct {
		name  string
		width int64
		theme string
	}{{"local-light", 1280, "light"}, {"local-dark", 1280, "dark"}, {"local-narrow", 390, "light"}, {"local-narrow-dark", 390, "dark"}} {
		b.open(l.Dashboard+"/", c.width, 900, c.theme)
		b.until(ready + ` && document.querySelectorAll("#newest tbody tr, #rejected tbody tr").length === 3`)
		b.fits()
		b.contrast()
		b.shoot(c.name, true)
	}
	if shown := js[string](b, text("rejected")); !strings.Contains(shown, "properties.card") || !strings.Contains(shown, "2") || strings.Contains(shown, "4111") {
		t.Errorf("rejected events: %s", shown)
	}
	b.silent()
}

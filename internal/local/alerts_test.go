package local

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// TestAlertsAreReported sends changes to a webhook that works, one that fails, and none.
func TestAlertsAreReported(t *testing.T) {
	all := []warehouse.Alert{{Definition: alert.Definition{Name: "none", Value: "purchase", Absent: true, Severity: "critical"}}}
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	zero, four := 0.0, 4.0
	changes := []warehouse.AlertChange{
		{Name: "none", At: at, Before: "", State: alert.OK, Value: &four}, // not worth a line
		{Name: "none", At: at.Add(time.Minute), Before: alert.OK, State: alert.Firing, Value: &zero},
		{Name: "none", At: at.Add(2 * time.Minute), Before: alert.Firing, State: alert.NoData},
		{Name: "none", At: at.Add(3 * time.Minute), Before: alert.NoData, State: alert.OK, Value: &four},
	}
	for name, status := range map[string]int{"works": 204, "fails": 500, "redirects": 302} {
		t.Run(name, func(t *testing.T) {
			var got []AlertChange
			hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var c AlertChange
				if err := json.NewDecoder(r.Body).Decode(&c); err != nil || r.Method != http.MethodPost || r.URL.Path != "/alerts" {
					t.Errorf("%s %s: %v", r.Method, r.URL, err)
				}
				got = append(got, c)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(status)
			}))
			defer hook.Close()
			if err := CheckWebhook(hook.URL + "/alerts"); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			alerting{webhook: hook.URL + "/alerts", log: slog.New(slog.NewTextHandler(&out, nil))}.notify(t.Context(), all, changes)
			if len(got) != 2 || got[0].State != "firing" || got[0].Severity != "critical" || *got[0].Value != 0 || got[0].Condition != "count of events (purchase) in 5 minutes is 0" ||
				got[1].State != "no data" || got[1].Value != nil || !got[1].At.Equal(at.Add(2*time.Minute)) {
				t.Errorf("webhook got %+v", got)
			}
			lines := strings.Count(out.String(), "level=WARN")
			failed := strings.Count(out.String(), "webhook failed")
			if lines != 2 || failed != 0 && name == "works" || failed != 2 && name != "works" {
				t.Errorf("log:\n%s", out.String())
			}
		})
	}
	var out strings.Builder
	alerting{log: slog.New(slog.NewTextHandler(&out, nil))}.notify(t.Context(), all, changes)
	if !strings.Contains(out.String(), `msg="alert firing" alert=none severity=critical`) {
		t.Errorf("log:\n%s", out.String())
	}
}

func TestCheckWebhook(t *testing.T) {
	for text, valid := range map[string]bool{
		"http://127.0.0.1:9000/a": true, "http://localhost/": true, "http://[::1]:1/": true,
		"https://127.0.0.1/": false, "http://10.0.0.1/": false, "http://localhost.example.com/": false, "http://u:p@127.0.0.1/": false, "127.0.0.1:9000": false, "": false,
	} {
		if err := CheckWebhook(text); (err == nil) != valid {
			t.Errorf("%s: %v", text, err)
		}
	}
}

package localrun_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// post sends a body of events, all of which must be accepted.
func post(t *testing.T, l *localrun.Local, body string) {
	t.Helper()
	resp, err := http.Post(l.API+"/events", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s, %v", resp.StatusCode, text, err)
	}
}

// metricOf requests a metric from the API.
func metricOf(t *testing.T, l *localrun.Local, path string, into any) {
	t.Helper()
	resp, err := http.Get(l.API + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
	}
}

// TestOperatorsObjects changes a running platform's database like operators do:
// no change needs a restart, and one event never blocks another.
func TestOperatorsObjects(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	conn, err := pgx.Connect(t.Context(), l.Database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	execute := func(statements ...string) {
		t.Helper()
		for _, sql := range statements {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	count := func(table string) (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM public."+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	page := make([]byte, 6000) // does not compress
	for i := range page {
		page[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[rand.IntN(64)]
	}
	twenty := func(special string) string {
		events := make([]string, 20)
		for i := range events {
			events[i] = fmt.Sprintf(`{"userId":"user%d","eventType":"page_view","properties":{"page":"/"}}`, i)
		}
		events[11] = special
		return "[" + strings.Join(events, ",") + "]"
	}

	execute("CREATE INDEX events_page ON events ((properties->>'page'))",
		"ALTER TABLE events ADD COLUMN country text GENERATED ALWAYS AS (properties->>'country') STORED",
		"CREATE SCHEMA reporting", "CREATE VIEW reporting.events AS SELECT 1 AS x", "ALTER DATABASE analytics SET search_path = reporting, public")
	post(t, l, twenty(fmt.Sprintf(`{"userId":"long","eventType":"page_view","properties":{"page":"%s"}}`, page)))
	await(t, func() bool { return count("events") == 19 && count("quarantine") == 1 })

	execute("ALTER TABLE events ADD CONSTRAINT people CHECK (user_id <> 'bot') NOT VALID")
	post(t, l, twenty(`{"userId":"bot","eventType":"page_view"}`))
	await(t, func() bool { return count("events") == 38 && count("quarantine") == 2 })

	execute("REVOKE INSERT ON events FROM streamctl_loader")
	post(t, l, twenty(`{"userId":"late","eventType":"page_view"}`))
	await(t, func() bool { return strings.Contains(l.Log(), "permission denied for table events") })
	if n := count("events"); n != 38 {
		t.Errorf("%d events without the privilege", n)
	}
	execute("GRANT INSERT ON events TO streamctl_loader")
	await(t, func() bool { return count("events") == 58 })
	if n := count("quarantine"); n != 2 {
		t.Errorf("%d events are quarantined", n)
	}
	var users struct{ Days []struct{ Users *int64 } }
	metricOf(t, l, "/metrics/users", &users)
	if len(users.Days) != 1 || users.Days[0].Users == nil || *users.Days[0].Users < 20 {
		t.Errorf("users are %+v", users)
	}
}

// TestATypeAfterAHundredOthers sends junk types, then signup, and releases one
// of them.
func TestATypeAfterAHundredOthers(t *testing.T) {
	dir := workDir(t)
	l := program.Start(t, localrun.Spec{Dir: dir})
	for i := range 100 {
		post(t, l, fmt.Sprintf(`{"userId":"u","eventType":"junk%d"}`, i))
	}
	post(t, l, `[{"userId":"u","eventType":"signup"},{"userId":"v","eventType":"signup"}]`)
	l.Settle(t, 102, patience)
	var a struct{ Points []struct{ Count int64 } }
	await(t, func() bool {
		metricOf(t, l, "/metrics/events?eventType=signup&by=none&step=60m", &a)
		return len(a.Points) == 1 && a.Points[0].Count == 2
	})
	forget := func(value string) (string, error) {
		cmd := program.Command(t.Context(), localrun.Spec{Dir: dir})
		out, err := exec.CommandContext(t.Context(), cmd.Path, "metrics", "values", "--forget", value, "--data-dir", l.DataDir).CombinedOutput()
		return string(out), err
	}
	if out, err := forget("junk7"); err != nil || !strings.Contains(out, "junk7 has lost its place") {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := forget("junk7"); err == nil || !strings.Contains(out, "no such value with a place") {
		t.Errorf("again: %s, %v", out, err)
	}
	var values struct{ Used int }
	metricOf(t, l, "/metrics/events?list=values", &values)
	if values.Used != 99 {
		t.Errorf("%d values are active", values.Used)
	}
}

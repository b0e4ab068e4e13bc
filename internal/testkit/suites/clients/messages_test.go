package clients_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local"
	"github.com/streamctl/streamctl/internal/local/dirbucket"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/testkit/golden"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// post sends a body to the API itself.
func (w *workplace) post(key, path, body string) int {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.info.API+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.SetBasicAuth(key, "")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		w.t.Error(err)
	}
	return response.StatusCode
}

func (w *workplace) eventually(what string, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); <-time.After(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("timed out: %s", what)
		}
	}
}

func (w *workplace) number(sql string, args ...any) (n int) {
	w.t.Helper()
	if err := w.db.QueryRow(w.t.Context(), sql, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// documented returns the messages of Segment's documentation with the date of today, and
// a message id each.
func documented(t *testing.T, day string) []string {
	t.Helper()
	file, err := os.ReadFile("../../../segment/testdata/messages.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, line := range bytes.SplitN(file, []byte("\n"), 7)[:6] {
		var c struct {
			Name    string
			Message map[string]any
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		c.Message["messageId"], c.Message["sentAt"] = "documented-"+c.Name, time.Now().UTC().Format(time.RFC3339Nano)
		text, err := json.Marshal(c.Message)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, strings.ReplaceAll(string(text), "2026-01-01T", day+"T"))
	}
	return bodies
}

// TestMessagesInSQL reads the documented messages as docs/event-format.md and docs/sql.md
// describe them.
func TestMessagesInSQL(t *testing.T) {
	w := start(t)
	day := time.Now().UTC().Format(time.DateOnly)
	bodies := documented(t, day)
	bodies = append(bodies, strings.NewReplacer(`"userId":"97980cfea0067",`, "", "documented-page", "documented-anonymous").Replace(bodies[2]))
	for i, body := range bodies {
		if status := w.post(w.info.WriteKey, "/v1/batch", `{"batch":[`+body+`]}`); status != http.StatusOK {
			t.Fatal(i, status)
		}
	}
	w.eventually("all messages are loaded", func() bool {
		return w.number("SELECT count(*) FROM events WHERE properties->>'messageId' LIKE 'documented-%'") == len(bodies)
	})
	rows, err := w.db.Query(t.Context(), `SELECT concat_ws(' | ', event_type, user_id, person_id, to_char(timestamp, 'HH24:MI:SS.MS'),
			'revenue ' || (properties->'properties'->>'revenue'), 'url ' || (properties->'context'->'page'->>'url'), 'plan ' || (properties->'traits'->>'plan'),
			'group ' || (properties->>'groupId'), 'previous ' || (properties->>'previousId'), 'name ' || (properties->>'name'), 'address ' || (properties->'context'->>'ip'))
		FROM people_events WHERE properties->>'messageId' LIKE 'documented-%' ORDER BY properties->>'messageId' COLLATE "C"`)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	golden.Equal(t, filepath.Join("testdata", "documented.golden"), []byte(out.String()))
}

// TestFloodWithAKey sends more requests than one key may: others are not affected.
func TestFloodWithAKey(t *testing.T) {
	v := config.Default(config.Development)
	v.WriteKeys = []contract.WriteKey{{Name: "limited", Hash: contract.HashWriteKey("limited-key"), Rate: 2}}
	w := startWith(t, v)
	body := fmt.Sprintf(`{"event":"a","userId":"u","timestamp":"%s"}`, time.Now().UTC().Format(time.RFC3339Nano))
	throttled := 0
	for range 20 {
		switch status := w.post("limited-key", "/v1/track", body); status {
		case http.StatusTooManyRequests:
			throttled++
		case http.StatusOK:
		default:
			t.Fatal(status)
		}
		if status := w.post(w.info.WriteKey, "/v1/track", body); status != http.StatusOK {
			t.Errorf("another key: %d", status)
		}
	}
	if throttled < 5 {
		t.Errorf("%d of 20 requests were throttled", throttled)
	}
}

// TestSkewMatrix sends messages of clients with several skews again, with identical bytes
// and with a new sentAt. Each is one event, also after a replay, and the archive, which
// has every attempt, matches.
func TestSkewMatrix(t *testing.T) {
	w := start(t)
	skews := []time.Duration{0, 14 * time.Minute, -14 * time.Minute, 16 * time.Minute, -16 * time.Minute, 24 * time.Hour, -24 * time.Hour}
	body := func(id string, made, sent time.Time) string {
		const layout = "2006-01-02T15:04:05.000Z"
		return fmt.Sprintf(`{"batch":[{"type":"track","event":"skew","userId":"u","messageId":"%s","timestamp":"%s"}],"sentAt":"%s"}`, id, made.UTC().Format(layout), sent.UTC().Format(layout))
	}
	began := time.Now()
	var lines int
	send := func(text string) {
		if status := w.post(w.info.WriteKey, "/v1/batch", text); status != http.StatusOK {
			t.Fatal(status)
		}
		lines++
	}
	for _, restamped := range []bool{false, true} {
		for _, skew := range skews {
			id, made := fmt.Sprintf("%s-%t", skew, restamped), began.Add(-skew)
			first := body(id, made, made)
			send(first)
			<-time.After(30 * time.Millisecond) // attempts have other receipts
			if restamped {
				first = body(id, made, time.Now().Add(-skew))
			}
			send(first)
		}
	}
	want := 2 * len(skews)
	w.eventually("all messages are loaded", func() bool {
		return w.number("SELECT count(DISTINCT event_id) FROM events WHERE event_type = 'skew'") == want
	})
	reader := archive.Reader{API: dirbucket.Bucket{Dir: filepath.Join(w.dir, "archive")}, Bucket: "archive"}
	hours := []time.Time{began.UTC().Truncate(time.Hour), began.UTC().Truncate(time.Hour).Add(time.Hour)}
	archived := func() (all []archive.ArchivedRecord) {
		for _, hour := range hours {
			objects, err := reader.Objects(t.Context(), hour)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objects {
				records, err := reader.Records(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, records...)
			}
		}
		return all
	}
	w.eventually("all attempts are archived", func() bool { return len(maintenance.Lines(archived(), nil)) == lines })
	check := func(when string) {
		t.Helper()
		if n := w.number("SELECT count(*) FROM events WHERE event_type = 'skew'"); n != want {
			t.Errorf("%s: %d events, want %d", when, n, want)
		}
		if n := w.number("SELECT count(*) FROM events WHERE event_type = 'skew' AND abs(extract(epoch FROM timestamp - received_at)) > 15 * 60"); n != 0 {
			t.Errorf("%s: %d events have the time of a wrong clock", when, n)
		}
	}
	check("loaded")
	tasks, err := local.OpenTasks(local.TaskOptions{Dir: w.dir, Variables: config.Default(config.Development)})
	if err != nil {
		t.Fatal(err)
	}
	task := contract.MaintenanceTask{Task: contract.TaskReplay, Action: contract.ActionRun, Seconds: 20, Token: "skew-matrix",
		JobParameters: contract.JobParameters{Source: contract.SourceArchive, From: hours[0], To: hours[1].Add(time.Hour)}}
	w.eventually("the replay is done", func() bool {
		r, err := tasks.Do(t.Context(), task)
		if err != nil || r.Problem != nil {
			t.Fatalf("%+v %v", r.Problem, err)
		}
		if r.Job.State == contract.StateDone && r.Job.Counts[contract.CountInserted] != 0 {
			t.Errorf("the replay inserted events: %+v", r.Job)
		}
		return r.Job.State == contract.StateDone
	})
	if err := tasks.Close(t.Context()); err != nil {
		t.Error(err)
	}
	check("after a replay")
	password, err := pgserver.RolePassword(filepath.Join(w.dir, "postgres"), contract.RoleOwner)
	if err != nil {
		t.Fatal(err)
	}
	owner := warehouse.NewURL(strings.Replace(w.info.Database, w.info.Database[:strings.Index(w.info.Database, "@")], "postgres://"+contract.RoleOwner+":"+password, 1))
	for i, hour := range hours {
		var mine []archive.ArchivedRecord
		for _, r := range archived() {
			if r.Arrived.Truncate(time.Hour).Equal(hour) {
				mine = append(mine, r)
			}
		}
		key := fmt.Sprint("all", i)
		if err := owner.CompareObject(t.Context(), hour, key, maintenance.Lines(mine, nil)); err != nil {
			t.Fatal(err)
		}
		if state, err := owner.CloseHour(t.Context(), hour, []string{key}); err != nil || !state.Clean() {
			t.Errorf("%s: %+v, %v", hour, state, err)
		}
	}
	if err := owner.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

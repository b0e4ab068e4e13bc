package insights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/query"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/lambdarun"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Variables of a child process: it answers one question like the function.
const (
	childURL      = "STREAMCTL_INSIGHT_CHILD_URL"
	childQuestion = "STREAMCTL_INSIGHT_CHILD_QUESTION"
)

type silent struct{}

func (silent) Emit(context.Context, ...emf.Metric) {}

// forgetful keeps no answers.
type forgetful struct{}

func (forgetful) Answer(context.Context, string) ([]byte, bool, error)            { return nil, false, nil }
func (forgetful) KeepAnswer(context.Context, string, []byte, time.Duration) error { return nil }

// child answers a question in a process with the memory of the function.
func child(ctx context.Context, out io.Writer) error {
	debug.SetMemoryLimit(lambdarun.MemoryLimit(func(string) string { return "512" }))
	var given map[string]string
	if err := json.Unmarshal([]byte(os.Getenv(childQuestion)), &given); err != nil {
		return err
	}
	kind := given["kind"]
	delete(given, "kind")
	db := warehouse.NewURL(os.Getenv(childURL))
	h, err := query.New(contract.Query{}, query.Deps{
		Sequences: &warehouse.Sequences{DB: db}, Answers: forgetful{}, Metrics: silent{}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Clock: pause.Clock{},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, query.RequestTime)
	defer cancel()
	resp, err := h.Handle(ctx, events.APIGatewayProxyRequest{PathParameters: map[string]string{"metric": kind}, QueryStringParameters: given})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, resp.Body)
	status, readErr := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	_, printErr := fmt.Fprintf(out, "\n%s", strings.Fields(after)[0])
	return errors.Join(err, readErr, printErr)
}

// questionsOfEachKind are questions about all events; visit is different for each event.
func questionsOfEachKind(end time.Time) (all []map[string]string) {
	from, to := start.Format(time.RFC3339), end.Format(time.RFC3339)
	for _, q := range []map[string]string{
		{"kind": "funnel", "steps": "*, *, *, *"},
		{"kind": "funnel", "steps": "page_view, click, purchase", "by": "visit"},
		{"kind": "retention", "start": "*", "return": "*"},
		{"kind": "sessions", "where": "visit"},
		{"kind": "breakdown", "event": "*", "by": "country,eventType"},
		{"kind": "breakdown", "event": "*", "by": "visit"},
		{"kind": "breakdown", "event": "*", "by": "country", "property": "number"},
		{"kind": "paths", "event": "*"},
		{"kind": "events", "where": "visit", "step": "24h"},
		{"kind": "users", "where": "visit"},
	} {
		q["from"], q["to"] = from, to
		if q["kind"] == "users" {
			q["from"], q["to"] = end.AddDate(0, 0, -35).Format(time.DateOnly), end.AddDate(0, 0, -1).Format(time.DateOnly)
		}
		all = append(all, q)
	}
	return all
}

// TestMemory answers each kind of question in a process of its own and compares its
// memory with that of the function. STREAMCTL_INSIGHT_EVENTS is the number of events.
func TestMemory(t *testing.T) {
	const days, most = 60, 512 << 10
	count, end := 30_000, start.AddDate(0, 0, days)
	if text := os.Getenv("STREAMCTL_INSIGHT_EVENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		count = n
	}
	d := shared.Warehouse(t, start, end)
	conn := d.Conn(t)
	fill(t, conn, &Spread{Events: count, Users: count / 20, Days: days, Sessions: true, Visits: true, Start: start, Seed: 5})
	execute := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	askAll := func(name string) {
		t.Helper()
		for i, q := range questionsOfEachKind(end) {
			if count < 100_000 && i%3 != 0 {
				continue // not a measurement
			}
			text, err := json.Marshal(q)
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), childURL+"="+d.URL(contract.RoleReader), childQuestion+"="+string(text))
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %s: %v", name, text, err)
			}
			body, size, _ := strings.Cut(string(out), "\n")
			var a api.InsightResponse
			if err := json.Unmarshal([]byte(body), &a); err != nil {
				t.Fatal(err)
			}
			var kb int
			if _, err := fmt.Sscan(size, &kb); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %s: %d MB, share %.3f, %d events read, %.1f s", name, text, kb>>10, a.UserShare, a.EventsRead, time.Since(begun).Seconds())
			if a.UserShare == 0 {
				t.Errorf("%s: %s: %.300s", name, text, body)
			}
			if kb > most {
				t.Errorf("%s: %s: %d MB", name, text, kb>>10)
			}
		}
	}
	askAll("table")
	execute(`WITH i AS (INSERT INTO identity SELECT 'user-' || lpad((2*n)::text, 6, '0'), 'user-' || lpad((2*n+1)::text, 6, '0'), now(), gen_random_uuid()
		FROM generate_series(0, (SELECT count(DISTINCT user_id) FROM events) / 2 - 1) n RETURNING user_id) INSERT INTO identity_user SELECT user_id, 1 FROM i`)
	if _, err := (&warehouse.Sequences{DB: d.As(t, contract.RoleOwner)}).Pack(t.Context(), end.Add(4*time.Hour), func() bool { return true }); err != nil {
		t.Fatal(err)
	}
	askAll("blocks and linked ids")
	execute("INSERT INTO sequence_stale (hour, user_id, at) SELECT DISTINCT date_trunc('hour', timestamp), user_id, now() FROM events WHERE hashtext(user_id) % 60 = 0")
	askAll("late events of many users")
}

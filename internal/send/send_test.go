package send_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/send"
)

// apiServer responds in turn as configured, and records every identity it accepted.
type apiServer struct {
	mu       sync.Mutex
	answers  []func(w http.ResponseWriter, events []sentEvent)
	accepted map[string]int
	sizes    []int
}

type sentEvent struct{ EventID, Timestamp, UserID string }

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	var events []sentEvent
	if err := json.NewDecoder(z).Decode(&events); err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sizes = append(a.sizes, len(events))
	answer := a.takeAll
	if len(a.answers) > 0 {
		answer, a.answers = a.answers[0], a.answers[1:]
	}
	answer(w, events)
}

func (a *apiServer) takeAll(w http.ResponseWriter, events []sentEvent) {
	a.results(w, events, http.StatusAccepted, func(int) int { return http.StatusAccepted })
}

// results responds to each event with its own status.
func (a *apiServer) results(w http.ResponseWriter, events []sentEvent, status int, each func(i int) int) {
	type result struct {
		Event  int              `json:"event"`
		Status int              `json:"status"`
		Errors []map[string]any `json:"errors,omitempty"`
	}
	var list []result
	for i, e := range events {
		r := result{Event: i, Status: each(i)}
		switch r.Status {
		case http.StatusAccepted:
			a.accepted[e.EventID+" "+e.Timestamp]++
		case http.StatusBadRequest:
			r.Errors = []map[string]any{{"event": i, "field": "userId", "detail": "isn't liked"}}
		}
		list = append(list, r)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"results": list})
}

func refuse(status int, headers ...string) func(http.ResponseWriter, []sentEvent) {
	return func(w http.ResponseWriter, _ []sentEvent) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"detail": "not now"}`)
	}
}

// kept records the events that weren't accepted.
type kept struct {
	mu          sync.Mutex
	bad, unsent []string
}

func (k *kept) Bad(line int, _ []byte, reason string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bad = append(k.bad, fmt.Sprintf("%d %s", line, reason))
	return nil
}

func (k *kept) Unsent(i send.Item) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unsent = append(k.unsent, i.UserID+" "+i.ID.String())
	return nil
}

// events are n lines of input.
func events(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"userId": "u%d", "eventType": "x"}`+"\n", i)
	}
	return b.String()
}

func run(t *testing.T, a *apiServer, input string, change func(*send.Options)) (send.Summary, *kept, error) {
	t.Helper()
	a.accepted = map[string]int{}
	server := httptest.NewServer(a)
	defer server.Close()
	k := &kept{}
	o := send.Options{
		Client: &api.Client{Endpoint: server.URL, HTTP: server.Client()}, Batch: 10, Linger: 5 * time.Millisecond, Concurrency: 2,
		RetryFor: 10 * time.Second, Rejects: k,
	}
	if change != nil {
		change(&o)
	}
	sum, err := send.Run(t.Context(), send.Lines(strings.NewReader(input)), o)
	return sum, k, err
}

// TestEachEventGetsItsAnswer uses an API that fails in many ways: in the end every
// event is accepted, under one identity.
func TestEachEventGetsItsAnswer(t *testing.T) {
	a := &apiServer{}
	half := func(w http.ResponseWriter, events []sentEvent) {
		a.results(w, events, http.StatusMultiStatus, func(i int) int { return map[bool]int{true: 202, false: 503}[i%2 == 0] })
	}
	lost := func(w http.ResponseWriter, events []sentEvent) { // accepted, but the response is lost
		a.takeAll(httptest.NewRecorder(), events)
		w.WriteHeader(http.StatusGatewayTimeout)
	}
	a.answers = []func(http.ResponseWriter, []sentEvent){
		half, refuse(429, "Retry-After", "1"), lost, refuse(502), refuse(413),
		func(w http.ResponseWriter, _ []sentEvent) { fmt.Fprint(w, `{"results": []}`) },
	}
	sum, k, err := run(t, a, events(40), nil)
	if err != nil || sum.Read != 40 || sum.Accepted != 40 || sum.Refused+sum.Unsent > 0 || len(k.bad)+len(k.unsent) > 0 || sum.Retries == 0 {
		t.Errorf("%+v, %v, %v", sum, k, err)
	}
	if len(a.accepted) != 40 {
		t.Errorf("%d identities, want 40", len(a.accepted))
	}
	if sum.Seconds < 1 {
		t.Errorf("Retry-After wasn't kept: %f s", sum.Seconds)
	}
}

func TestRefusedAreKept(t *testing.T) {
	a := &apiServer{}
	a.answers = []func(http.ResponseWriter, []sentEvent){func(w http.ResponseWriter, events []sentEvent) {
		a.results(w, events, http.StatusMultiStatus, func(i int) int { return map[bool]int{true: 202, false: 400}[i != 1] })
	}}
	sum, k, err := run(t, a, events(3)+"no event\n"+events(1), func(o *send.Options) { o.Concurrency = 1 })
	if err != nil || sum.Accepted != 3 || sum.Refused != 2 || sum.Read != 5 || sum.Lines != 5 {
		t.Errorf("%+v, %v", sum, err)
	}
	if diff := cmp.Diff([]string{"4 not JSON: invalid character 'o' in literal null (expecting 'u') after offset 1", "2 userId: isn't liked"}, k.bad); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestUnsentAreKept(t *testing.T) {
	a := &apiServer{}
	for range 100 {
		a.answers = append(a.answers, refuse(503))
	}
	sum, k, err := run(t, a, events(5), func(o *send.Options) { o.RetryFor = 200 * time.Millisecond })
	if err != nil || sum.Unsent != 5 || len(k.unsent) != 5 || !strings.Contains(sum.LastTrouble, "503") {
		t.Errorf("%+v, %v, %v", sum, k.unsent, err)
	}
}

// TestForbiddenEndsTheRun doesn't retry a 403.
func TestForbiddenEndsTheRun(t *testing.T) {
	a := &apiServer{answers: []func(http.ResponseWriter, []sentEvent){refuse(403), refuse(403), refuse(403), refuse(403)}}
	sum, k, err := run(t, a, events(30), nil)
	var refused *send.RefusedError
	if !errors.As(err, &refused) || refused.Status != 403 || sum.Accepted != 0 || len(k.unsent) == 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestInterrupted stops reading: every event that was read got a response or is kept.
func TestInterrupted(t *testing.T) {
	a := &apiServer{accepted: map[string]int{}}
	server := httptest.NewServer(a)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	go func() {
		_, _ = io.WriteString(writer, events(25))
		cancel()
		_ = writer.Close()
	}()
	k := &kept{}
	sum, err := send.Run(ctx, send.Lines(reader), send.Options{
		Client: &api.Client{Endpoint: server.URL, HTTP: server.Client()}, Batch: 10, Linger: time.Millisecond, Concurrency: 2, RetryFor: time.Second, Rejects: k,
	})
	if err != nil || !sum.Interrupted || sum.Accepted+sum.Unsent != sum.Read || len(a.accepted) != sum.Accepted {
		t.Errorf("%+v, %v; %d accepted", sum, err, len(a.accepted))
	}
}

func TestInputs(t *testing.T) {
	users := func(s send.Source) (got []string) {
		for {
			item, err := s.Next()
			var bad *send.BadError
			switch {
			case errors.Is(err, io.EOF):
				return got
			case errors.As(err, &bad):
				got = append(got, fmt.Sprintf("bad %d", bad.Line))
			case err != nil:
				t.Fatal(err)
			default:
				if item.ID.Version() != 7 || item.Timestamp.IsZero() {
					t.Errorf("%+v has no identity", item)
				}
				got = append(got, fmt.Sprintf("%s %d", item.UserID, item.Line))
			}
		}
	}
	const one, two = `{"userId":"a","eventType":"x"}`, `{"userId":"b","eventType":"y","eventId":"01a21107-88c5-79e7-b572-1e7a489354bb"}`
	for _, tt := range []struct{ name, text, want string }{
		{"one", one, "a 1"},
		{"after each other", one + "\n\n" + two, "a 1|b 3"},
		{"an array", "[\n" + one + ",\n" + two + "]", "a 2|b 3"},
		{"a wrapper", "{\"events\":\n[" + one + ",\n3]}", "a 2|bad 3"},
		{"another object", `{"events": [], "more": 1}`, "bad 1"},
		{"nothing", "", ""},
	} {
		s, err := send.Values(strings.NewReader(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := strings.Join(users(s), "|"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	if _, err := send.Values(strings.NewReader("[\n1,\n2 3]")); err == nil || !strings.Contains(err.Error(), "line 3: not JSON") {
		t.Errorf("not JSON: %v", err)
	}
	lines := "\ufeff" + one + "\r\n" + `{"userId": "` + strings.Repeat("x", 200<<10) + `"}` + "\n" + two // the last line without a newline
	if got := strings.Join(users(send.Lines(strings.NewReader(lines))), "|"); got != "a 1|bad 2|b 3" {
		t.Errorf("lines: %q", got)
	}
}

// fullDisk keeps two events, then nothing.
type fullDisk struct{ kept }

func (f *fullDisk) Unsent(i send.Item) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.unsent) == 2 {
		return syscall.ENOSPC
	}
	f.unsent = append(f.unsent, i.ID.String())
	return nil
}

// TestUnkeptAreCounted reports how many events a full disk did not take, and the
// first of their lines.
func TestUnkeptAreCounted(t *testing.T) {
	a := &apiServer{answers: []func(http.ResponseWriter, []sentEvent){refuse(403)}}
	sum, _, err := run(t, a, events(25), func(o *send.Options) { o.Concurrency, o.Rejects, o.KeepRest = 1, &fullDisk{}, true })
	var unkept *send.UnkeptError
	if !errors.As(err, &unkept) || !errors.Is(err, syscall.ENOSPC) || unkept.Events != sum.Unsent-2 || unkept.FirstLine < 1 || sum.Read != 25 {
		t.Errorf("%+v, %v", sum, err)
	}
}

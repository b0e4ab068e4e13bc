package bootstraps_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
)

// event returns an event with a type and without a timestamp: its time is its
// arrival.
func event(eventType string) string {
	return `{"userId": "user123", "eventType": "` + eventType + `", "properties": {"page": "/dashboard"}}`
}

// eventTypes returns the types of the four events that ingest accepts.
func eventTypes(prefix string) []string {
	return []string{prefix + "_single", prefix + "_first", prefix + "_second", prefix + "_packed"}
}

// ingest handles proxy events, which API Gateway creates from requests.
func (s stack) ingest(t *testing.T, types []string) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, event(types[3])); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, body string
		header     http.Header
		status     int
		says       string
	}{
		{"single", event(types[0]), nil, http.StatusAccepted, "eventId"},
		{"batch", "[" + event(types[1]) + "," + event(types[2]) + "]", nil, http.StatusAccepted, `"accepted":2`},
		{"gzip", packed.String(), http.Header{"Content-Type": {"application/gzip"}, "Content-Encoding": {"gzip"}}, http.StatusAccepted, `"accepted":1`},
		{"bad event", `{"userId": "user123", "eventType": ""}`, nil, http.StatusBadRequest, "eventType"},
		{"bad gzip", "\x1f\x8bnot gzip", http.Header{"Content-Type": {"application/gzip"}}, http.StatusBadRequest, "gzip"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := s.platform.Fake.Invocations(id(contract.FuncIngest))
			s.call(t, "POST", "/events", tt.body, tt.header, tt.status, tt.says)
			if n := s.platform.Fake.Invocations(id(contract.FuncIngest)) - before; n != 1 {
				t.Errorf("%d invocations, want 1", n)
			}
		})
	}
}

// call sends a signed request and checks its response.
func (s stack) call(t *testing.T, method, path, body string, header http.Header, want int, says string) {
	t.Helper()
	status, answer, err := s.platform.Call(t.Context(), method, s.outputs["ApiEndpoint"]+path, []byte(body), header)
	if err != nil || status != want || !strings.Contains(string(answer), says) {
		t.Errorf("%s %s: %d %s %v, want %d and %s", method, path, status, answer, err, want, says)
	}
}

// archiver receives the stream's batches from its mapping.
func (s stack) archiver(t *testing.T, types []string) {
	eventually(t, func(context.Context) error {
		var lines strings.Builder
		objects := s.platform.Fake.Objects()
		for _, key := range objects.Keys(s.outputs["ArchiveBucket"]) {
			if !strings.HasPrefix(key, "raw/v1/dt=") {
				continue
			}
			object, err := objects.Get(s.outputs["ArchiveBucket"], key)
			if err != nil {
				return err
			}
			z, err := gzip.NewReader(bytes.NewReader(object))
			if err != nil {
				return err
			}
			if _, err := io.Copy(&lines, z); err != nil {
				return err
			}
		}
		return has(lines.String(), types...)
	})
}

// processor receives the stream's batches from its mapping; the API returns the
// events of both stores.
func (s stack) processor(t *testing.T, types []string) {
	eventually(t, func(ctx context.Context) error {
		_, answer, err := s.platform.Call(ctx, "GET", s.outputs["ApiEndpoint"]+"/metrics/summary", nil, nil)
		if err != nil {
			return err
		}
		return has(string(answer), types...)
	})
	stats, ok := s.platform.Fake.MappingStats("ProcessorMapping")
	if !ok || stats.Failures > 0 {
		t.Errorf("mapping: %+v", stats)
	}
}

func has(text string, words ...string) error {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return fmt.Errorf("%s is missing in %s", word, text)
		}
	}
	return nil
}

// query handles proxy events of each route.
func (s stack) query(t *testing.T) {
	today := time.Now().UTC().Format(time.DateOnly)
	for _, tt := range []struct {
		path   string
		status int
		says   string
	}{
		{"/metrics/summary", http.StatusOK, `"metric":"summary"`},
		{"/metrics/events?step=5m&eventType=here_single", http.StatusOK, `"metric":"events"`},
		{"/metrics/users?from=" + today, http.StatusOK, `"metric":"users"`},
		{"/metrics/users?step=5m", http.StatusBadRequest, "step"},
		{"/metrics/revenue", http.StatusNotFound, "does not exist"},
	} {
		t.Run(tt.path[len("/metrics/"):], func(t *testing.T) {
			s.call(t, "GET", tt.path, "", nil, tt.status, tt.says)
		})
	}
}

// schema handles CloudFormation's events and responds at their URL.
func (s stack) schema(t *testing.T) {
	properties := contract.MigrationProperties{
		CodeKey: "key", DatabaseResourceID: "db-1", MasterUsername: "analytics_admin", MasterPassword: password,
		LoaderConnections: "4", ReaderConnections: "0",
	}.Values()
	for _, request := range []string{"Create", "Update", "Delete"} {
		t.Run(request, func(t *testing.T) {
			answers := make(chan []byte, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || r.Method != http.MethodPut {
					w.WriteHeader(http.StatusBadRequest)
					return
				}
				answers <- body
			}))
			defer server.Close()
			event := map[string]any{
				"RequestType": request, "ResponseURL": server.URL + "/answer?signature=x", "StackId": "stack", "RequestId": "request",
				"ResourceType": "Custom::Migrations", "LogicalResourceId": "Migrations", "ResourceProperties": properties,
			}
			if request != "Create" {
				event["PhysicalResourceId"] = "streamctl-schema"
			}
			if request == "Update" {
				event["OldResourceProperties"] = properties
			}
			payload, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.platform.Fake.Invoke(t.Context(), id(contract.FuncSchema), payload); err != nil {
				t.Fatal(err)
			}
			var answer struct{ Status, Reason, PhysicalResourceId, RequestId string }
			select {
			case body := <-answers:
				err = json.Unmarshal(body, &answer)
			default:
				err = errors.New("no answer")
			}
			if err != nil || answer.Status != "SUCCESS" || answer.PhysicalResourceId != "streamctl-schema" || answer.RequestId != "request" {
				t.Errorf("answer %+v: %v", answer, err)
			}
		})
	}
}

// maintenance receives its tasks from the rules.
func (s stack) maintenance(t *testing.T) {
	for _, rule := range []string{"RefreshSchedule", "UpkeepSchedule"} {
		t.Run(rule, func(t *testing.T) {
			if err := s.platform.Fake.Fire(t.Context(), rule); err != nil {
				t.Error(err)
			}
		})
	}
}

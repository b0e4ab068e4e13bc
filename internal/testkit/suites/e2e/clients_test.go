package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// unsigned sends a request without a signature.
func (s stack) unsigned(method, path, key, body string) (status int, header http.Header, answer string) {
	s.t.Helper()
	client, err := s.platform.Client()
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, "https://"+s.outputs["ApiGatewayUrl"]+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if key != "" {
		r.SetBasicAuth(key, "")
		r.Header.Set("Origin", "https://www.example.com")
	}
	response, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// flood sends more messages than the routes of clients may get, beside signed events:
// none of those is throttled.
func (s stack) flood(key, body string) {
	s.t.Helper()
	if reserved := s.platform.Fake.Properties(s.name, "IngestFunction")["ReservedConcurrentExecutions"]; fmt.Sprint(reserved) != "10" {
		s.t.Errorf("reserved: %v", reserved)
	}
	var senders sync.WaitGroup
	var throttled atomic.Int64
	for range 4 {
		senders.Go(func() {
			for range 50 {
				if status, _, _ := s.unsigned("POST", "/v1/batch", key, body); status == http.StatusTooManyRequests {
					throttled.Add(1)
				}
			}
		})
	}
	for range 20 {
		if status, answer := s.send(briefEvent); status != http.StatusAccepted {
			s.t.Errorf("/events beside a flood on /v1: %d %s", status, answer)
		}
	}
	senders.Wait()
	if throttled.Load() == 0 {
		s.t.Error("the flood was not throttled")
	}
}

// TestWriteKeys deploys a stack with a key, probes what is reachable without a
// signature, and revokes the key. User ids are hashed.
func TestWriteKeys(t *testing.T) {
	have(t, "aws")
	w := newWorkplace(t, "StackName: keys")
	var key struct{ Key, Hash string }
	if err := json.Unmarshal([]byte(w.streamctl("keys", "new", "web", "-o", "json").want(0).stdout), &key); err != nil {
		t.Fatal(err)
	}
	path := w.dir + "/variables.yaml"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entry := "WriteKeysRate: 20\nWriteKeysBurst: 40\nFunctions: {ingest: {ReservedConcurrency: 10}}\nPrivacy: {HashUserIds: true}\nWriteKeys:\n  - {Name: web, Hash: " + key.Hash + ", Origins: [https://www.example.com]}\n  - {Name: other, Hash: n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg}\n"
	if err := os.WriteFile(path, append([]byte(entry), text...), 0o644); err != nil {
		t.Fatal(err)
	}
	w.streamctl("deploy", "--env", "development").want(3).says("create it with `streamctl keys secret`")
	w.streamctl("status", "--env", "development").want(1).says("stack does not exist")
	w.streamctl("keys", "secret", "--env", "development").want(0)
	w.streamctl("deploy", "--env", "development").want(0)
	s := w.deployed("keys", "--env", "development")
	body := fmt.Sprintf(`{"batch":[{"type":"track","event":"Order Completed","userId":"u","messageId":"m-1","timestamp":"%s"}]}`, time.Now().UTC().Format(time.RFC3339Nano))
	w.platform.Fake.FailCall("ssm", "GetParameter", http.StatusBadRequest, "ParameterNotFound", "", 1)
	if status, header, answer := s.unsigned("POST", "/v1/batch", key.Key, body); status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("without the secret for user ids: %d %v %s", status, header, answer)
	}
	for range 2 {
		if status, header, answer := s.unsigned("POST", "/v1/batch", key.Key, body); status != 200 || answer != `{"success":true}` || header.Get("Access-Control-Allow-Origin") != "https://www.example.com" {
			t.Errorf("%d %v %s", status, header, answer)
		}
	}
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/v1/batch", 401}, {"POST", "/beacon/v1/batch", 401}, {"GET", "/v1/projects/x/settings", 401}, {"OPTIONS", "/v1/t", 204}, {"OPTIONS", "/beacon/v1/batch", 204},
		{"DELETE", "/v1/batch", 405}, {"POST", "/v1/events", 404}, {"GET", "/v1/metrics/summary", 404}, {"POST", "/beacon/v1/track", 404}, {"POST", "/v1/..%2fevents", 404},
		// Signed routes, and paths that don't exist.
		{"POST", "/events", 403}, {"GET", "/metrics/summary", 403}, {"GET", "/", 403}, {"POST", "/v1", 403}, {"POST", "/beacon", 403}, {"POST", "/v2/batch", 403}, {"OPTIONS", "/events", 403},
		{"POST", "/events/v1/batch", 403},
	} {
		status, _, answer := s.unsigned(tt.method, tt.path, "", body)
		if status != tt.want {
			t.Errorf("unsigned %s %s: %d %.200s, want %d", tt.method, tt.path, status, answer, tt.want)
		}
	}
	for _, path := range []string{"/events", "/metrics/summary"} {
		if status, _, _ := s.unsigned("POST", path, key.Key, briefEvent); status != 403 {
			t.Errorf("%s with a write key: %d", path, status)
		}
	}
	conn := s.master()
	eventually(t, "load", func(ctx context.Context) error {
		var n int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM events WHERE event_type = 'Order Completed' AND properties->>'messageId' = 'm-1' AND length(user_id) = 43 AND properties->>'userId' = user_id").Scan(&n); err != nil || n != 1 {
			return fmt.Errorf("%d events, %w", n, err)
		}
		return nil
	})
	s.flood(key.Key, body)
	// A limit of 0 closes its own routes only.
	api := s.outputs["ApiGatewayId"]
	w.aws("apigateway", "update-stage", "--rest-api-id", api, "--stage-name", "prod", "--patch-operations", `[{"op":"replace","path":"/~1v1~1{proxy+}/POST/throttling/rateLimit","value":"0"}]`).want(0)
	if status, header, _ := s.unsigned("POST", "/v1/batch", key.Key, body); status != 429 || header.Get("Retry-After") == "" || header.Get("Access-Control-Allow-Origin") == "" || header.Get("Access-Control-Expose-Headers") != "Retry-After" {
		t.Errorf("throttled: %d %v", status, header)
	}
	if status, answer := s.send(briefEvent); status != http.StatusAccepted {
		t.Errorf("/events while /v1 is throttled: %d %s", status, answer)
	}
	w.aws("apigateway", "update-stage", "--rest-api-id", api, "--stage-name", "prod", "--patch-operations", `[{"op":"replace","path":"/~1v1~1{proxy+}/POST/throttling/rateLimit","value":"20"}]`).want(0)

	w.streamctl("keys", "revoke", "web").want(0)
	w.streamctl("deploy", "--env", "development").want(0)
	began := time.Now()
	eventually(t, "revoke the key", func(context.Context) error {
		if status, _, answer := s.unsigned("POST", "/v1/batch", key.Key, body); status != 401 {
			return fmt.Errorf("a revoked key: %d %s", status, answer)
		}
		return nil
	})
	if took := time.Since(began); took > time.Minute {
		t.Errorf("a revoked key worked for %s after the deploy", took)
	}
	if out := w.streamctl("destroy", "--env", "development", "--yes").want(0).stdout; !strings.Contains(out, "left: AWS::SSM::Parameter /streamctl/keys/user-ids: ") {
		t.Error(out)
	}
}

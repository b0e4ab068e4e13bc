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

// flood sends messages from forty connections at the same time, beside signed events, and counts
// the responses of both by status.
func (s stack) flood(key, body string) (flood, signed map[int]int) {
	s.t.Helper()
	flood, signed = map[int]int{}, map[int]int{}
	var senders sync.WaitGroup
	var mu sync.Mutex
	for range 40 {
		senders.Go(func() {
			for range 10 {
				status, header, _ := s.unsigned("POST", "/v1/batch", key, body)
				if status != http.StatusOK && (header.Get("Retry-After") == "" || header.Get("Access-Control-Allow-Origin") == "") {
					s.t.Errorf("%d without Retry-After or for no page: %v", status, header)
				}
				mu.Lock()
				flood[status]++
				mu.Unlock()
			}
		})
	}
	for range 40 {
		status, _ := s.send(briefEvent)
		signed[status]++
	}
	senders.Wait()
	return flood, signed
}

// floods compares a flood within the limits of the clients' routes with one without
// them: the limits alone keep the reserved executions of ingest free for signed events.
func (s stack) floods(key, body string) {
	s.t.Helper()
	if reserved := s.platform.Fake.Properties(s.name, "IngestFunction")["ReservedConcurrentExecutions"]; fmt.Sprint(reserved) != "10" {
		s.t.Errorf("reserved: %v", reserved)
	}
	// At most the burst and a second's rate per second of latency are in ingest: less than
	// 10, also on a slow machine.
	s.limitClients("1", "2")
	flood, signed := s.flood(key, body)
	if flood[http.StatusTooManyRequests] == 0 || flood[http.StatusInternalServerError] > 0 || signed[http.StatusAccepted] != 40 {
		s.t.Errorf("a flood within the limits: %v, /events: %v", flood, signed)
	}
	s.limitClients("10000", "5000")
	flood, signed = s.flood(key, body)
	if flood[http.StatusInternalServerError] == 0 || flood[http.StatusTooManyRequests] > 0 || signed[http.StatusInternalServerError] == 0 {
		s.t.Errorf("a flood without limits: %v, /events: %v; Lambda rejects neither", flood, signed)
	}
	s.limitClients("20", "40")
}

// limitClients changes the limit of the clients' route.
func (s stack) limitClients(rate, burst string) {
	s.t.Helper()
	const at = `{"op":"replace","path":"/~1v1~1{proxy+}/POST/throttling/`
	s.workplace.aws("apigateway", "update-stage", "--rest-api-id", s.outputs["ApiGatewayId"], "--stage-name", "prod", "--patch-operations",
		`[`+at+`rateLimit","value":"`+rate+`"},`+at+`burstLimit","value":"`+burst+`"}]`).want(0)
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
	s.floods(key.Key, body)
	// A limit of 0 closes its own routes only.
	s.limitClients("0", "0")
	if status, header, _ := s.unsigned("POST", "/v1/batch", key.Key, body); status != 429 || header.Get("Retry-After") == "" || header.Get("Access-Control-Allow-Origin") == "" || header.Get("Access-Control-Expose-Headers") != "Retry-After" {
		t.Errorf("throttled: %d %v", status, header)
	}
	if status, answer := s.send(briefEvent); status != http.StatusAccepted {
		t.Errorf("/events while /v1 is throttled: %d %s", status, answer)
	}
	s.limitClients("20", "40")

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

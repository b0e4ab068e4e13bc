package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// page starts `streamctl dashboard` and returns its URL; end stops it.
func (s stack) page() (url string, end func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	cmd := exec.CommandContext(ctx, s.platform.Streamctl, "dashboard", "--port", "0", "-o", "json", "--env", "development", "--stack-name", s.name)
	cmd.Dir, cmd.Env, cmd.Stderr = s.dir, s.environ, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	end = func() {
		cancel()
		_ = cmd.Wait() // interrupted
	}
	var served struct{ URL string }
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&served); err != nil {
		end()
		s.t.Fatalf("start streamctl dashboard: %v", err)
	}
	return served.URL, end
}

// fetch requests a path of the dashboard.
func fetch(ctx context.Context, url string, want int, texts ...string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	for _, text := range texts {
		if !strings.Contains(string(body), text) {
			err = fmt.Errorf("no %s in it", text)
		}
	}
	if resp.StatusCode != want || err != nil {
		return fmt.Errorf("%s: %s %s (%w)", url, resp.Status, body, err)
	}
	return resp.Body.Close()
}

// dashboard shows the documented event and a rejected event on the dashboard, and then a
// missing role and the missing permissions of another user, who still gets everything
// else.
func (s stack) dashboard() {
	s.t.Helper()
	if status, answer := s.send(`{"userId":"u","eventType":"x","properties":{"card":"4111\u0000"}}`); status != http.StatusBadRequest {
		s.t.Fatal(status, answer)
	}
	url, end := s.page()
	defer func() { end() }()
	eventually(s.t, "show the event", func(ctx context.Context) error {
		return fetch(ctx, url+"/events", http.StatusOK, `"userId":"user123","eventType":"page_view","properties":"{\"page\": \"/dashboard\"`)
	})
	eventually(s.t, "show the rejected event", func(ctx context.Context) error {
		return fetch(ctx, url+"/rejected", http.StatusOK, `"count":1,"reason":"must not hold","field":"properties.card","caller":"arn:aws:`)
	})
	end()
	master := s.master()
	if _, err := master.Exec(s.t.Context(), "ALTER ROLE streamctl_sql RENAME TO kept"); err != nil {
		s.t.Fatal(err)
	}
	url, end = s.page()
	if err := fetch(s.t.Context(), url+"/events", http.StatusServiceUnavailable, `"hint":"the database's role streamctl_sql is missing`); err != nil {
		s.t.Error(err)
	}
	if _, err := master.Exec(s.t.Context(), "ALTER ROLE kept RENAME TO streamctl_sql"); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "show events again", func(ctx context.Context) error { return fetch(ctx, url+"/events", http.StatusOK, "user123") })
	end()
	fake := s.platform.Fake
	defer fake.ResetCalls()
	fake.FailCall("lambda", "InvokeFunction", http.StatusForbidden, "AccessDeniedException", "not authorized to perform", 100)
	fake.FailCall("logs", "FilterLogEvents", http.StatusBadRequest, "AccessDeniedException", "not authorized to perform", 100)
	url, end = s.page()
	for path, texts := range map[string][]string{
		"/events":   {"not authorized to perform", "attach the policy in the output SqlPolicyArn"},
		"/rejected": {"not authorized to perform", "logs:FilterLogEvents"},
	} {
		if err := fetch(s.t.Context(), url+path, http.StatusServiceUnavailable, texts...); err != nil {
			s.t.Error(err)
		}
	}
	if err := fetch(s.t.Context(), url+"/metrics/summary", http.StatusOK, "page_view"); err != nil {
		s.t.Error(err)
	}
}

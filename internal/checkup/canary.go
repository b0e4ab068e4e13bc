package checkup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/pause"
)

// CanaryType and CanaryUser are reserved: each canary stores one event of this type and
// user.
const (
	CanaryType = "streamctl_canary"
	CanaryUser = "streamctl-canary"
)

// Canary sends an event through the API and waits until it is queryable.
type Canary struct {
	API *api.Client
	// Send and Read are the outputs with the policies that the credentials need.
	SendPolicy, ReadPolicy string
	// ID is the event's id, a UUID.
	ID string
	// Every is the pause between two queries, Timeout the time until the canary fails, and
	// Slow the time from which it is a warning.
	Every, Timeout, Slow time.Duration
}

// Check returns the check.
func (c Canary) Check() Check { return Check{"canary", "execute-api:Invoke", c.run} }

func (c Canary) run(ctx context.Context) ([]Result, error) {
	const check = "canary"
	before, result, err := c.count(ctx)
	if result != nil || err != nil {
		return result, err
	}
	sent := time.Now()
	if result, err := c.send(ctx, sent); result != nil || err != nil {
		return result, err
	}
	accepted := time.Since(sent).Round(time.Millisecond)
	bounded, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	for {
		now, result, err := c.count(bounded)
		switch {
		case bounded.Err() != nil && ctx.Err() == nil:
			return problem(check, Fail, "see StreamLagAlarm in docs/operations.md: the log of the processor has the reason", "event %s was accepted within %s, and is not queryable after %s", c.ID, accepted, c.Timeout), nil
		case result != nil || err != nil:
			return result, err
		case now > before:
			took := time.Since(sent).Round(time.Millisecond)
			if took > c.Slow {
				return problem(check, Warn, "see StreamLagAlarm in docs/operations.md", "event %s was queryable after %s", c.ID, took), nil
			}
			return ok(check, "event %s was accepted within %s and queryable after %s", c.ID, accepted, took), nil
		}
		if pause.For(bounded, c.Every) != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// send sends the event. A result is a problem.
func (c Canary) send(ctx context.Context, now time.Time) ([]Result, error) {
	body, err := json.Marshal(map[string]any{
		"eventId": c.ID, "userId": CanaryUser, "eventType": CanaryType, "timestamp": now.UTC().Format(time.RFC3339Nano), "properties": map[string]any{},
	})
	if err != nil {
		return nil, fmt.Errorf("write canary: %w", err)
	}
	status, _, err := c.call(ctx, http.MethodPost, api.PathEvents, body)
	if err != nil {
		return nil, err
	}
	return c.judge(status, c.SendPolicy, "the canary"), nil
}

// count counts the stored canaries of the last minutes.
func (c Canary) count(ctx context.Context) (n int64, result []Result, err error) {
	now := time.Now().UTC().Truncate(time.Minute)
	query := url.Values{"eventType": {CanaryType}, "step": {"1m"}, "from": {now.Add(-canaryWindow).Format(time.RFC3339)}, "to": {now.Add(time.Minute).Format(time.RFC3339)}}
	status, body, err := c.call(ctx, http.MethodGet, api.MetricPath("events", query), nil)
	if err != nil {
		return 0, nil, err
	}
	if result := c.judge(status, c.ReadPolicy, "the query"); result != nil {
		return 0, result, nil
	}
	var answer api.MetricResponse
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, nil, fmt.Errorf("read the count of canaries: %w", err)
	}
	for _, p := range answer.Points {
		n += p.Count
	}
	return n, nil, nil
}

// canaryWindow is longer than any canary takes, so that a count grows only with a canary.
const canaryWindow = 30 * time.Minute

// judge returns the problem of a status; nil for 2xx.
func (c Canary) judge(status int, policy, what string) []Result {
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusForbidden:
		return problem("canary", Warn, "attach the policy "+policy+" to these credentials", "skipped: not allowed: the API returned 403 to %s", what)
	}
	return problem("canary", Fail, "see ApiErrorsAlarm in docs/operations.md: the logs of ingest and query have the reason", "the API returned %d to %s", status, what)
}

// maxAnswer bounds the response to a query, in bytes.
const maxAnswer = 1 << 20

func (c Canary) call(ctx context.Context, method, target string, body []byte) (status int, answer []byte, err error) {
	header := http.Header{}
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	resp, err := c.API.Do(ctx, method, target, header, body)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return 0, nil, fmt.Errorf("read response: %w", err)
	}
	return resp.StatusCode, answer, nil
}

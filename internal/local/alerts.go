package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/streamctl/streamctl/internal/alert"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// webhookTimeout bounds a request to the webhook: the next evaluation is in a minute.
const webhookTimeout = 5 * time.Second

// AlertChange is the body of a webhook's request.
type AlertChange struct {
	Alert     string    `json:"alert"`
	Severity  string    `json:"severity"`
	Condition string    `json:"condition"`
	State     string    `json:"state"`
	At        time.Time `json:"at"`
	// Value is the number, ratio or change in percent; nil without data.
	Value *float64 `json:"value"`
}

// alerting reports alerts that fire, or no longer do, in the log and to a webhook.
type alerting struct {
	webhook string // empty for none
	log     *slog.Logger
}

func (n alerting) notify(ctx context.Context, all []warehouse.Alert, changes []warehouse.AlertChange) {
	for _, c := range changes {
		if (c.State == alert.Firing) == (c.Before == alert.Firing) {
			continue
		}
		out := AlertChange{Alert: c.Name, State: c.State, At: c.At, Value: c.Value}
		for _, a := range all {
			if a.Definition.Name == c.Name {
				out.Severity, out.Condition = a.Definition.Level(), a.Definition.Condition()
			}
		}
		n.log.WarnContext(ctx, "alert "+out.State, "alert", out.Alert, "severity", out.Severity, "condition", out.Condition, "value", out.Value, "at", out.At)
		if n.webhook == "" {
			continue
		}
		if err := n.post(ctx, out); err != nil {
			n.log.ErrorContext(ctx, "webhook failed", "alert", out.Alert, "err", err)
		}
	}
}

func (n alerting) post(ctx context.Context, c AlertChange) (err error) {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode alert: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.webhook, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("create request: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // no proxy
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // it is not read
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("POST %s: %s", n.webhook, response.Status)
	}
	return nil
}

// CheckWebhook checks the URL of a webhook: alerts of a platform on one machine stay on
// the machine.
func CheckWebhook(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q: want an address of this machine, such as http://127.0.0.1:9000/alerts", text)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q: %s is not this machine; want an address such as http://127.0.0.1:9000/alerts", text, u.Hostname())
	}
	return nil
}

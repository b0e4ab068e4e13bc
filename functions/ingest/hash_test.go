package ingest_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
)

// TestHashedUserIds accepts no event while the secret can't be read, and then stores the
// same hash for both APIs, with the known id nowhere.
func TestHashedUserIds(t *testing.T) {
	s := &stream{}
	secret, err := "", errors.New("AccessDenied")
	reads := 0
	h := ingest.New(contract.Ingest{
		Stack: "test", Stream: "events", EventMaxAgeDays: 30, Privacy: contract.Privacy{HashUserIds: true},
		WriteKeys: []contract.WriteKey{{Name: "server", Hash: contract.HashWriteKey(serverKey)}},
	}, ingest.Deps{
		Stream: s, Clock: handler(s, metrics{}).Clock, Metrics: metrics{}, Log: slog.New(slog.DiscardHandler),
		Secret: func(context.Context) (string, error) { reads++; return secret, err },
	})
	signed := request(`[{"userId":"ann@example.com","eventType":"a"},{"userId":"anon:x","eventType":"a"}]`)
	message := clientRequest("identify", serverKey, `{"userId":"ann@example.com","anonymousId":"x","messageId":"m"}`)
	unavailable := func(why string) {
		for _, req := range []int{0, 1} {
			one := signed
			if req == 1 {
				one = message
			}
			if resp, err := h.Handle(t.Context(), one); err != nil || resp.StatusCode != 503 || resp.Headers["Retry-After"] == "" || len(s.data) > 0 {
				t.Errorf("%s: %d %v, %d records", why, resp.StatusCode, err, len(s.data))
			}
		}
	}
	unavailable("no secret")
	secret, err = "short", nil
	unavailable("a short secret")
	if resp, err := h.Handle(t.Context(), clientRequest("identify", "x", "{}")); err != nil || resp.StatusCode != 401 {
		t.Error(resp.StatusCode, err)
	}
	secret, reads = contract.NewUserIDSecret(), 0
	if resp, err := h.Handle(t.Context(), signed); err != nil || resp.StatusCode != 202 {
		t.Fatal(resp, err)
	}
	if resp, err := h.Handle(t.Context(), message); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	if reads != 1 || len(s.data) != 2 {
		t.Errorf("%d reads, %d users", reads, len(s.data))
	}
	for user, records := range s.data {
		for _, data := range records {
			if text := string(data); strings.Contains(text, "ann@example.com") || strings.Contains(text, `"x"`) || strings.Contains(text, secret) {
				t.Error(text)
			}
			e, err := event.DecodeEnvelope(data)
			if err != nil || e.Event.UserID != user || len(strings.TrimPrefix(user, event.AnonymousPrefix)) != 43 {
				t.Errorf("%s: %+v, %v", user, e.Event, err)
			}
			if len(e.Links) > 0 && s.data[e.Links[0]] == nil {
				t.Errorf("the link %s is not the anonymous user", e.Links[0])
			}
		}
	}
}

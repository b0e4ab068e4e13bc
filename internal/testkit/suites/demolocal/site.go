package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/send"
	"github.com/streamctl/streamctl/internal/traffic"
)

// site sends the messages of a website's visitors with a write key, like examples/web,
// until ctx ends.
type site struct {
	api, key string
	source   *traffic.Generator
	sent     int
}

// pageMessages is the number of messages of a request.
const pageMessages = 5

// newSite returns a website of a running platform.
func newSite(api, key string) (*site, error) {
	source, err := traffic.New(traffic.Options{Profile: "shop", Users: 50, Seed: 3})
	if err != nil {
		return nil, fmt.Errorf("generate messages: %w", err)
	}
	return &site{api: api, key: key, source: source}, nil
}

func (s *site) run(ctx context.Context) error {
	for {
		body, err := s.batch()
		if err != nil {
			return fmt.Errorf("generate messages: %w", err)
		}
		err = s.post(ctx, body)
		if err == nil {
			err = pause.For(ctx, time.Second/2)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("send messages of a website: %w", err)
		}
	}
}

func (s *site) post(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.api+"/v1/batch", bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.SetBasicAuth(s.key, "")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusTooManyRequests {
		return fmt.Errorf("the API responded with %s", resp.Status)
	}
	return nil
}

// message is a message of Segment's API.
type message struct {
	Type        string          `json:"type"`
	Name        string          `json:"name,omitempty"`
	Event       string          `json:"event,omitempty"`
	UserID      string          `json:"userId,omitempty"`
	AnonymousID string          `json:"anonymousId"`
	MessageID   string          `json:"messageId"`
	Timestamp   time.Time       `json:"timestamp"`
	Properties  json.RawMessage `json:"properties,omitempty"`
}

// batch returns the body of the next request.
func (s *site) batch() ([]byte, error) {
	var all []message
	for len(all) < pageMessages {
		item, err := s.source.Next()
		if err != nil {
			return nil, err
		}
		all = append(all, s.messages(item)...)
	}
	return json.Marshal(map[string]any{"batch": all, "sentAt": time.Now().UTC()})
}

// messages returns a generated event as the library of a page sends it. Visitors are
// anonymous until they buy.
func (s *site) messages(item send.Item) []message {
	e := item.Event
	s.sent++
	m := message{AnonymousID: "visitor-" + e.UserID, MessageID: "demo-" + strconv.Itoa(s.sent), Timestamp: time.Now().UTC(), Properties: json.RawMessage(e.Properties)}
	switch e.Type {
	case "page_view":
		m.Type, m.Name = "page", "Shop"
		return []message{m}
	case "purchase":
		login := m
		login.Type, login.UserID, login.MessageID, login.Properties = "identify", e.UserID, m.MessageID+"-login", nil
		m.Type, m.Event, m.UserID = "track", "Order Completed", e.UserID
		return []message{login, m}
	}
	m.Type, m.Event = "track", e.Type
	return []message{m}
}

package send

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/pause"
)

// Backoff before a retry, doubled each time, unless the server sends Retry-After.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// RefusedError reports that the API rejects every request of this caller.
type RefusedError struct {
	Status int
	Detail string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the API returned %d: %s", e.Status, e.Detail)
}

// Class implements failure.Classified.
func (e *RefusedError) Class() failure.Class {
	if e.Status == http.StatusForbidden || e.Status == http.StatusUnauthorized {
		return failure.Credentials
	}
	return failure.Other
}

// deliver sends a batch until each event has a response or the retry time is over. When
// sending has ended, it does not retry.
func (s *sender) deliver(ctx, sending context.Context, batch []Item) {
	if sending.Err() != nil {
		s.unsent(batch...)
		return
	}
	until := time.Now().Add(s.o.RetryFor)
	wait := firstPause
	for {
		o := s.try(ctx, batch)
		if o.err != nil {
			s.fail(o.err)
		}
		if o.tooLarge {
			half := len(batch) / 2
			s.deliver(ctx, sending, batch[:half])
			s.deliver(ctx, sending, batch[half:])
			return
		}
		if len(o.left) == 0 {
			return
		}
		if len(o.left) < len(batch) {
			wait = firstPause // some events were accepted
		}
		batch = o.left
		next := wait/2 + rand.N(wait/2)
		if o.after > 0 {
			next = o.after + rand.N(o.after/4+1)
		}
		wait = min(2*wait, maxPause)
		if time.Now().Add(next).After(until) || pause.For(sending, next) != nil {
			s.unsent(batch...)
			return
		}
		s.mu.Lock()
		s.sum.Retries++
		s.mu.Unlock()
	}
}

// UnkeptError reports events that were neither accepted nor kept.
type UnkeptError struct {
	// Events is their number; FirstLine is the lowest of their lines, 0 without lines.
	Events, FirstLine int
	Err               error
}

func (e *UnkeptError) Error() string {
	text := fmt.Sprintf("keep events that were not accepted: %v: %d events are not kept", e.Err, e.Events)
	if e.FirstLine > 0 {
		text += fmt.Sprintf(", the first from line %d", e.FirstLine)
	}
	return text
}

// Unwrap returns the cause.
func (e *UnkeptError) Unwrap() error { return e.Err }

// unsent keeps events without a response.
func (s *sender) unsent(batch ...Item) {
	for _, item := range batch {
		err := s.o.Rejects.Unsent(item)
		s.mu.Lock()
		s.sum.Unsent++
		if err != nil {
			if s.unkept == nil {
				s.unkept = &UnkeptError{FirstLine: item.Line, Err: err}
			}
			s.unkept.Events++
			s.unkept.FirstLine = min(s.unkept.FirstLine, item.Line)
			s.stop()
		}
		s.mu.Unlock()
	}
}

// outcome is the result of one try.
type outcome struct {
	// left are the events to retry, after the pause that the server requested.
	left  []Item
	after time.Duration
	// tooLarge requires smaller requests.
	tooLarge bool
	// err ends the run.
	err error
}

// try sends a batch once.
func (s *sender) try(ctx context.Context, batch []Item) outcome {
	body, header, err := encode(batch)
	if err != nil {
		return outcome{left: batch, err: err}
	}
	began := time.Now()
	resp, err := s.o.Client.Do(ctx, http.MethodPost, api.PathEvents, header, body)
	if credentials := (*api.CredentialsError)(nil); errors.As(err, &credentials) {
		return outcome{left: batch, err: err}
	}
	if err != nil {
		s.trouble(err.Error())
		return outcome{left: batch}
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		s.trouble(err.Error())
		return outcome{left: batch}
	}
	s.mu.Lock()
	s.sum.Requests++
	s.took = append(s.took, time.Since(began))
	s.mu.Unlock()
	return s.judge(resp, text, batch)
}

// judge interprets a response.
func (s *sender) judge(resp *http.Response, text []byte, batch []Item) outcome {
	a, err := decode(resp.StatusCode, text)
	again := outcome{left: batch}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		again.after = time.Duration(seconds) * time.Second
	}
	whole := err == nil && len(a.Results) == len(batch)
	switch code := resp.StatusCode; {
	case whole && (code == http.StatusAccepted || code == http.StatusMultiStatus || code == http.StatusServiceUnavailable):
		again.left = s.each(a, batch)
		return again
	case code == http.StatusTooManyRequests || code >= http.StatusInternalServerError:
		s.trouble(fmt.Sprintf("%s %s", resp.Status, a.Detail))
		return again
	case code < http.StatusMultipleChoices:
		s.trouble(fmt.Sprintf("%s with %d results for %d events", resp.Status, len(a.Results), len(batch)))
		return again
	case code == http.StatusRequestEntityTooLarge && len(batch) > 1:
		return outcome{tooLarge: true}
	case code == http.StatusBadRequest && len(a.Errors) > 0 || code == http.StatusRequestEntityTooLarge:
		return outcome{err: s.refuseAll(a, batch)}
	default:
		return outcome{left: batch, err: &RefusedError{Status: code, Detail: a.Detail}}
	}
}

// decode reads the body of a response. The results of an api.EventsResponse are
// returned as those of a problem, which may have results too.
func decode(status int, text []byte) (p api.Problem, err error) {
	if status >= http.StatusMultipleChoices {
		return p, json.Unmarshal(text, &p)
	}
	var r api.EventsResponse
	err = json.Unmarshal(text, &r)
	return api.Problem{Results: r.Results}, err
}

// each records every event's own result, and returns the events to retry.
func (s *sender) each(a api.Problem, batch []Item) (left []Item) {
	accepted := 0
	for _, r := range a.Results {
		if r.Event < 0 || r.Event >= len(batch) {
			continue
		}
		item := batch[r.Event]
		switch {
		case r.Status == http.StatusAccepted:
			accepted++
		case r.Status >= http.StatusInternalServerError:
			left = append(left, item)
		default:
			if err := s.refused(refusal(item, reasons(r.Errors)), item.AppendJSON(nil)); err != nil {
				s.fail(err)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.Accepted += accepted
	if s.o.Accepted != nil && accepted > 0 {
		s.o.Accepted(accepted, time.Now())
	}
	return left
}

// refuseAll records the reasons of a request without an accepted event.
func (s *sender) refuseAll(a api.Problem, batch []Item) error {
	byEvent := map[int][]event.FieldError{}
	for _, e := range a.Errors {
		byEvent[e.Event] = append(byEvent[e.Event], e)
	}
	for i, item := range batch {
		reason := reasons(byEvent[i])
		if reason == "" {
			reason = a.Detail
		}
		if err := s.refused(refusal(item, reason), item.AppendJSON(nil)); err != nil {
			return err
		}
	}
	return nil
}

func refusal(i Item, reason string) Refusal {
	return Refusal{Line: i.Line, Number: i.Number, Reason: reason}
}

func reasons(list []event.FieldError) string {
	text := ""
	for i, e := range list {
		if i > 0 {
			text += "; "
		}
		if e.Field != "" {
			text += e.Field + ": "
		}
		text += e.Detail
	}
	return text
}

// trouble records the problem of a request that will be retried.
func (s *sender) trouble(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum.LastTrouble = text
}

// encode writes a batch as a gzipped array.
func encode(batch []Item) ([]byte, http.Header, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, nil, fmt.Errorf("encode events: %w", err)
	}
	line := []byte{'['}
	for i, item := range batch {
		if i > 0 {
			line = append(line, ',')
		}
		line = item.AppendJSON(line)
	}
	_, err = z.Write(append(line, ']'))
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, nil, fmt.Errorf("encode events: %w", err)
	}
	return b.Bytes(), http.Header{"Content-Type": {"application/gzip"}}, nil
}

package event

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Envelope is an accepted event with the facts of its receipt, as ingest writes it to
// the stream.
type Envelope struct {
	Event Event
	// ReceivedAt is the time at which ingest received it, UTC, whole microseconds.
	ReceivedAt time.Time
	// RequestID is the API's id of the event's request.
	RequestID string
	// Index is the event's position in that request, from 0.
	Index int
	// ClientTime is the event's time as the client gave it, if the client's clock was
	// wrong by more than ten minutes. Another attempt to send the event may have led to
	// another Timestamp. Zero in all other events.
	ClientTime time.Time
	// Skew is how far that clock was behind; whole milliseconds.
	Skew time.Duration
	// Links are the user ids of anonymous events that belong to the event's user, by a
	// message of a client. Events of other requests have none.
	Links []string
}

// Skewed reports whether the same event may be stored with another Timestamp.
func (e Envelope) Skewed() bool { return !e.ClientTime.IsZero() }

// AppendJSON appends the envelope as one line.
func (e Envelope) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"event":`...)
	dst = e.Event.AppendJSON(dst)
	dst = append(dst, `,"receivedAt":"`...)
	dst = AppendTime(dst, e.ReceivedAt)
	dst = append(dst, `","requestId":`...)
	dst = appendString(dst, e.RequestID)
	dst = append(dst, `,"index":`...)
	dst = strconv.AppendInt(dst, int64(e.Index), 10)
	for i, id := range e.Links {
		if i == 0 {
			dst = append(dst, `,"links":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendString(dst, id)
	}
	if len(e.Links) > 0 {
		dst = append(dst, ']')
	}
	if e.Skewed() {
		dst = AppendTime(append(dst, `,"clientTime":"`...), e.ClientTime)
		dst = strconv.AppendInt(append(dst, `","skewMs":`...), e.Skew.Milliseconds(), 10)
	}
	return append(dst, '}')
}

// DecodeEnvelope decodes a line that AppendJSON wrote and validates the event as Decode
// does. An event without an identity is an error: ingest gives each one. Unknown
// members of an envelope are ignored, because an older processor may read the envelopes
// of a newer ingest.
// The event's properties may alias line.
func DecodeEnvelope(line []byte) (Envelope, error) {
	p := parser{text: line}
	if e, ok := p.envelope(); ok {
		return e, nil
	}
	return decodeEnvelope(line)
}

// envelope reads a line in exactly the form that AppendJSON writes.
func (p *parser) envelope() (e Envelope, ok bool) {
	if !p.skip(`{"event":`) {
		return e, false
	}
	if e.Event, ok = p.event(); !ok || e.Event.ID == uuid.Nil || !p.skip(`,"receivedAt":"`) {
		return e, false
	}
	received := p.text[p.at:min(p.at+len(timeLayout), len(p.text))]
	var wrong string
	if e.ReceivedAt, wrong = parseTime(string(received)); wrong != "" || received[len(received)-1] != 'Z' {
		return e, false
	}
	p.at += len(received)
	if !p.skip(`","requestId":"`) {
		return e, false
	}
	p.at-- // the quote belongs to the string
	raw, escaped, ok := p.str()
	if !ok || escaped || !p.skip(`,"index":`) {
		return e, false
	}
	e.RequestID = string(raw)
	n := p.digits()
	index := p.text[p.at-n : p.at]
	if n == 0 || n > 3 || n > 1 && index[0] == '0' {
		return e, false
	}
	for _, c := range index {
		e.Index = e.Index*10 + int(c-'0')
	}
	if !p.links(&e) {
		return e, false
	}
	return e, p.skip("}") && p.at == len(p.text)
}

// links reads the links of an envelope, if there are any.
func (p *parser) links(e *Envelope) (ok bool) {
	if !p.skip(`,"links":["`) {
		return true
	}
	for p.at--; ; { // the quote belongs to the string
		raw, escaped, ok := p.str()
		if !ok || escaped {
			return false
		}
		e.Links = append(e.Links, string(raw))
		if p.skip("]") {
			e.Links = links(e.Links)
			return true
		}
		if !p.skip(`,"`) {
			return false
		}
		p.at--
	}
}

// decodeEnvelope is DecodeEnvelope without its fast path, for any form.
func decodeEnvelope(line []byte) (Envelope, error) {
	var v struct {
		Event      jsontext.Value `json:"event"`
		ReceivedAt time.Time      `json:"receivedAt"`
		RequestID  string         `json:"requestId"`
		Index      int            `json:"index"`
		ClientTime time.Time      `json:"clientTime"`
		SkewMs     int64          `json:"skewMs"`
		Links      []string       `json:"links"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return Envelope{}, fmt.Errorf("decode envelope: %w", err)
	}
	received := v.ReceivedAt.UTC().Truncate(time.Microsecond)
	if received.Year() < 1970 || received.Year() > 9999 {
		return Envelope{}, errors.New("decode envelope: receivedAt is missing, or not in the years 1970 to 9999")
	}
	e, errs := decode(v.Event)
	if len(errs) > 0 {
		return Envelope{}, fmt.Errorf("decode envelope: %w", errs[0])
	}
	if e.ID == uuid.Nil || e.Timestamp.IsZero() {
		return Envelope{}, errors.New("decode envelope: the event has no identity")
	}
	out := Envelope{Event: e, ReceivedAt: received, RequestID: v.RequestID, Index: v.Index, Links: links(v.Links)}
	if !v.ClientTime.IsZero() {
		out.ClientTime, out.Skew = v.ClientTime.UTC().Truncate(time.Microsecond), time.Duration(v.SkewMs)*time.Millisecond
	}
	return out, nil
}

// Lines splits a record's data into lines. Any data has at least one.
func Lines(data []byte) [][]byte { return bytes.Split(data, []byte{'\n'}) }

// Package segment reads requests of Segment's HTTP API, which the libraries of Segment
// and RudderStack send, and turns their messages into events.
//
// It needs no clock and no network: a request and the facts of its receipt always give
// the same events, except for messages without an id.
package segment

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/event"
)

// Limits of the API.
const (
	// MaxBodyBytes is the largest request, after decompression.
	MaxBodyBytes = 500_000
	// MaxMessageBytes is the largest message.
	MaxMessageBytes = 32 << 10
	// MaxContextBytes is the size of all copies of a batch's context: each message
	// gets one. Otherwise a small request could become a thousand times as large.
	MaxContextBytes = 8 * MaxBodyBytes
)

// calls are the kinds of messages.
var calls = map[string]bool{"track": true, "page": true, "screen": true, "identify": true, "group": true, "alias": true}

// shortCalls are the calls of the browser library's short paths.
var shortCalls = map[string]string{"t": "track", "p": "page", "s": "screen", "i": "identify", "g": "group", "a": "alias"}

// Call returns the call of a path's last part, such as track or t; batch and b stand for
// a list of messages, and give "". ok is false for other texts.
func Call(part string) (call string, ok bool) {
	switch {
	case part == "batch" || part == "b":
		return "", true
	case calls[part]:
		return part, true
	}
	call, ok = shortCalls[part]
	return call, ok
}

// Request is the decoded body of a request.
type Request struct {
	// WriteKey is the key in the body, empty if the body has none.
	WriteKey string
	// sentAt and context apply to all messages.
	sentAt, context jsontext.Value
	call            string
	messages        []jsontext.Value
}

// Messages returns the number of messages.
func (r *Request) Messages() int { return len(r.messages) }

// loose are options for texts that many clients write: invalid UTF-8 becomes U+FFFD.
func loose() []jsontext.Options {
	return []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}
}

// Parse reads a body, which is JSON whatever its Content-Type. call is the call of a
// path for one message, or "" for a batch. An error describes a body that is not a
// request at all; the problem of a single message comes from Event.
func Parse(body []byte, call string) (*Request, error) {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return nil, errors.New("the body is empty: send a message as JSON")
	case body[0] != '{':
		return nil, errors.New("the body is not a JSON object: send a message, or an object with a list named batch")
	}
	whole := jsontext.Value(body)
	if !whole.IsValid(loose()...) {
		// A message that nests too deep for the decoder must not affect others.
		if whole = shallow(body); !whole.IsValid(loose()...) {
			return nil, errors.New("the body is not valid JSON, or is cut off: send one JSON object")
		}
	}
	var fields struct {
		Batch    jsontext.Value `json:"batch"`
		WriteKey jsontext.Value `json:"writeKey"`
		SentAt   jsontext.Value `json:"sentAt"`
		Context  jsontext.Value `json:"context"`
	}
	if err := json.Unmarshal(whole, &fields, json.JoinOptions(loose()...)); err != nil {
		return nil, errors.New("the body is not valid JSON: send one JSON object")
	}
	r := &Request{call: call, WriteKey: text(fields.WriteKey)}
	if call != "" {
		r.messages = []jsontext.Value{whole}
		return r, nil
	}
	if n := lists(whole); n > 1 { // only one would be read
		return nil, errors.New("the body has " + strconv.Itoa(n) + " members named batch: send one list")
	}
	if fields.Batch.Kind() != '[' {
		return nil, errors.New("the body has no list named batch: send the messages in it")
	}
	r.sentAt = fields.SentAt
	if fields.Context.Kind() == '{' && len(fields.Context) > len("{}") {
		r.context = fields.Context
	}
	if err := r.split(fields.Batch); err != nil {
		return nil, err
	}
	if copies := len(r.context) * len(r.messages); copies > MaxContextBytes {
		return nil, errors.New("the context beside batch, once per message, has " + strconv.Itoa(copies) + " bytes: at most " +
			strconv.Itoa(MaxContextBytes) + " are possible, so send fewer messages at a time")
	}
	return r, nil
}

func (r *Request) split(list jsontext.Value) error {
	const small = 400 // bytes of a small message, to size the slice
	r.messages = make([]jsontext.Value, 0, 1+len(list)/small)
	dec := jsontext.NewDecoder(bytes.NewBuffer(list), loose()...)
	if _, err := dec.ReadToken(); err != nil {
		return errors.New("the list named batch is not valid JSON")
	}
	for dec.PeekKind() != ']' {
		start := dec.InputOffset()
		if err := dec.SkipValue(); err != nil {
			return errors.New("the list named batch is not valid JSON")
		}
		// From the end of the value before: only white space and a comma precede it.
		raw := bytes.TrimLeft(list[start:dec.InputOffset()], " \t\r\n,")
		r.messages = append(r.messages, raw)
		if len(r.messages) > MaxBodyBytes/len("{},") {
			return errors.New("the list named batch has too many messages")
		}
	}
	return nil
}

// text returns the text of a JSON string, and "" for any other value.
func text(v jsontext.Value) string {
	if v.Kind() != '"' {
		return ""
	}
	out, err := jsontext.AppendUnquote(nil, v)
	var syntactic *jsontext.SyntacticError
	if err != nil && !errors.As(err, &syntactic) {
		return ""
	}
	return string(out)
}

// scalar returns a text, or a number's digits as the client wrote them; ok is false for
// any other value. A missing value and null are the empty text.
func scalar(v jsontext.Value) (s string, ok bool) {
	switch v.Kind() {
	case '"':
		return text(v), true
	case '0':
		return string(v), true
	case 'n', 0:
		return "", true
	}
	return "", false
}

func fieldError(field, detail string) []event.FieldError {
	return []event.FieldError{{Field: field, Detail: detail}}
}

func tooLarge(n int) []event.FieldError {
	return fieldError("", "has "+strconv.Itoa(n)+" bytes: a message has at most "+strconv.Itoa(MaxMessageBytes))
}

package event

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Split takes a request's body apart: one event, an array of events, or
// {"events": […]}. The parts are not yet judged; they alias body.
func Split(body []byte) ([]jsontext.Value, *FieldError) {
	// An event that breaks these two rules is refused alone, by Decode.
	lenient := []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
	whole := jsontext.Value(bytes.TrimSpace(body))
	if len(whole) == 0 {
		return nil, &FieldError{Detail: "the body is empty: send an event, an array of events, or {\"events\": [...]}"}
	}
	if whole.Kind() == '{' {
		list, err := batchMember(whole, lenient)
		if err != nil {
			return nil, syntaxError(err)
		}
		if list == nil {
			return []jsontext.Value{whole}, nil
		}
		whole = list
	}
	if whole.Kind() != '[' {
		return nil, &FieldError{Detail: "the body is not an event, an array of events, or {\"events\": [...]}"}
	}
	var parts []jsontext.Value
	dec := jsontext.NewDecoder(bytes.NewBuffer(whole), lenient...)
	if _, err := dec.ReadToken(); err != nil {
		return nil, syntaxError(err)
	}
	for dec.PeekKind() != ']' {
		part, err := dec.ReadValue()
		if err != nil {
			return nil, syntaxError(err)
		}
		if len(parts) == MaxBatch {
			return nil, &FieldError{Field: "events", Detail: "a batch holds at most " + strconv.Itoa(MaxBatch) + " events"}
		}
		parts = append(parts, part.Clone())
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, syntaxError(err)
	}
	if len(bytes.TrimSpace(whole[dec.InputOffset():])) > 0 {
		return nil, &FieldError{Detail: "something follows the end of the JSON value"}
	}
	if len(parts) == 0 {
		return nil, &FieldError{Field: "events", Detail: "the batch is empty: send 1 to " + strconv.Itoa(MaxBatch) + " events"}
	}
	return parts, nil
}

// batchMember gives the member "events" of an object, nil when it has none.
func batchMember(object jsontext.Value, options []jsontext.Options) (list jsontext.Value, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(object), options...)
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	members := 0
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		isList := name.String() == "events"
		value, err := dec.ReadValue()
		if err != nil {
			return nil, err
		}
		members++
		if isList && value.Kind() == '[' {
			list = value.Clone()
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(object[dec.InputOffset():])) > 0 {
		return nil, errors.New("something follows the end of the JSON value")
	}
	if list != nil && members > 1 {
		return nil, errors.New(`beside "events" the object has other members`)
	}
	return list, nil
}

func syntaxError(err error) *FieldError {
	if err == nil {
		return nil
	}
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		return &FieldError{Detail: "the body is not JSON: " + syntactic.Err.Error() + " at byte " + strconv.FormatInt(syntactic.ByteOffset, 10)}
	}
	return &FieldError{Detail: err.Error()}
}

// fields are an event's members before they are judged.
type fields struct {
	EventID    jsontext.Value `json:"eventId"`
	UserID     jsontext.Value `json:"userId"`
	EventType  jsontext.Value `json:"eventType"`
	Timestamp  jsontext.Value `json:"timestamp"`
	Properties jsontext.Value `json:"properties"`
}

// Decode judges one event by itself, without a clock, and names everything
// that is wrong with it. ID and Timestamp are zero when the event has none.
// Properties may alias raw.
func Decode(raw []byte) (Event, []FieldError) {
	p := parser{text: raw}
	if e, ok := p.event(); ok && p.ended() {
		return e, nil
	}
	return decode(raw)
}

// decode is Decode, slowly: it takes any form, and finds words for what is wrong.
func decode(raw []byte) (Event, []FieldError) {
	if jsontext.Value(raw).Kind() != '{' {
		return Event{}, []FieldError{{Detail: "must be a JSON object"}}
	}
	var f fields
	if err := json.Unmarshal(raw, &f, json.RejectUnknownMembers(true)); err != nil {
		return Event{}, []FieldError{decodeError(raw, err)}
	}
	if e, bad := scan(raw); bad {
		return Event{}, []FieldError{e}
	}
	var e Event
	var errs []FieldError
	note := func(field, detail string) {
		if detail != "" {
			errs = append(errs, FieldError{Field: field, Detail: detail})
		}
	}
	var detail string
	e.UserID, detail = userID(f.UserID)
	note("userId", detail)
	e.Type, detail = eventType(f.EventType)
	note("eventType", detail)
	e.Properties, detail = properties(f.Properties)
	note("properties", detail)
	e.Timestamp, detail = timestamp(f.Timestamp)
	note("timestamp", detail)
	e.ID, detail = eventID(f.EventID)
	note("eventId", detail)
	if e.ID != uuid.Nil && f.Timestamp == nil {
		e.Timestamp, detail = timeOf(e.ID)
		note("timestamp", detail)
	}
	return e, errs
}

func decodeError(raw []byte, err error) FieldError {
	var semantic *json.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.As(err, &semantic) && errors.Is(err, json.ErrUnknownName):
		return FieldError{
			Field:  shorten(semantic.JSONPointer.LastToken()),
			Detail: "is not a field of an event, which has eventId, userId, eventType, timestamp and properties: put it into properties",
		}
	case errors.As(err, &syntactic):
		e := FieldError{Field: fieldOf(syntactic.JSONPointer), Detail: syntactic.Err.Error()}
		if at := syntactic.ByteOffset; at < int64(len(raw)) && unit(raw[at:])&^0x7ff == 0xd800 {
			e.Detail = "holds " + string(raw[at:at+6]) + ", half of a surrogate pair, which is no character"
		}
		return e
	}
	return FieldError{Detail: err.Error()}
}

// fieldOf turns /properties/a into properties.a.
func fieldOf(p jsontext.Pointer) string {
	var path []byte
	for token := range p.Tokens() {
		if len(path) > 0 {
			path = append(path, '.')
		}
		path = append(path, token...)
	}
	return shorten(strings.ReplaceAll(string(path), "\x00", `\u0000`)) // no text of PostgreSQL holds NUL
}

// shorten bounds what an answer repeats of a request.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func text(v jsontext.Value) (s, detail string) {
	switch {
	case v == nil:
		return "", "is required"
	case v.Kind() != '"':
		return "", "must be a string"
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return "", err.Error()
	}
	return string(b), ""
}

func userID(v jsontext.Value) (s, detail string) {
	if s, detail = text(v); detail == "" {
		detail = checkUserID(s)
	}
	return s, detail
}

func checkUserID(s string) string {
	if n := utf8.RuneCountInString(s); n < 1 || n > MaxUserIDRunes {
		return "must have 1 to " + strconv.Itoa(MaxUserIDRunes) + " characters"
	}
	return ""
}

func eventType(v jsontext.Value) (s, detail string) {
	if s, detail = text(v); detail == "" {
		detail = CheckType(s)
	}
	return s, detail
}

// CheckType says what is wrong with an event's type; "" means nothing.
func CheckType(s string) string {
	ok := len(s) >= 1 && len(s) <= MaxTypeBytes
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == ':' || c == '-'
	}
	if !ok {
		return "must have 1 to " + strconv.Itoa(MaxTypeBytes) + " of the characters A-Z a-z 0-9 _ . : -"
	}
	return ""
}

func properties(v jsontext.Value) (jsontext.Value, string) {
	switch {
	case v == nil:
		return jsontext.Value("{}"), ""
	case v.Kind() != '{':
		return nil, "must be an object"
	case len(v) > MaxPropertiesBytes:
		return nil, "must have at most " + strconv.Itoa(MaxPropertiesBytes) + " bytes"
	}
	compact := v.Clone()
	if err := compact.Compact(); err != nil {
		return nil, err.Error()
	}
	return compact, ""
}

const (
	rightTime = "must be a time in RFC 3339, such as 2026-01-31T12:00:00.5Z"
	rightID   = "must be a UUID, such as 01890a5d-ac96-774b-bcce-b302099a8057"
)

func timestamp(v jsontext.Value) (time.Time, string) {
	if v == nil {
		return time.Time{}, ""
	}
	s, detail := text(v)
	if detail != "" {
		return time.Time{}, rightTime
	}
	return parseTime(s)
}

func parseTime(s string) (time.Time, string) {
	t, err := time.Parse(time.RFC3339Nano, s)
	// Parse takes a one-digit hour and a comma, too.
	if err != nil || s[13] != ':' || s[19] == ',' {
		return time.Time{}, rightTime
	}
	t = t.UTC().Truncate(time.Microsecond)
	if t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, "must lie in the years 1970 to 9999"
	}
	return t, ""
}

func eventID(v jsontext.Value) (uuid.UUID, string) {
	if v == nil {
		return uuid.Nil, ""
	}
	s, detail := text(v)
	if detail != "" {
		return uuid.Nil, rightID
	}
	return parseID([]byte(s))
}

func parseID(s []byte) (uuid.UUID, string) {
	if len(s) != 36 { // ParseBytes takes other forms, too
		return uuid.Nil, rightID
	}
	id, err := uuid.ParseBytes(s)
	if err != nil || id == uuid.Nil {
		return uuid.Nil, rightID
	}
	return id, ""
}

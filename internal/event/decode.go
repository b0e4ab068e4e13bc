package event

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Split splits a request's body into events: one event, an array of events, or
// {"events": […]}. The parts are not validated; they alias body.
func Split(body []byte) ([]jsontext.Value, *FieldError) {
	if detail := explain(body); detail != "" {
		return nil, &FieldError{Detail: detail}
	}
	whole := jsontext.Value(bytes.TrimSpace(body)) // an object or an array
	if whole.Kind() == '{' {
		list, others, err := batchMember(whole)
		switch {
		case err != nil:
			return nil, &FieldError{Detail: "the body is not JSON: " + err.Error()}
		case list == nil:
			return []jsontext.Value{whole}, nil
		case others:
			return nil, &FieldError{Detail: `beside "events" the object has other members: put them into the events' properties`}
		}
		whole = list
	}
	var parts []jsontext.Value
	dec := jsontext.NewDecoder(bytes.NewBuffer(whole), lenient()...)
	if _, err := dec.ReadToken(); err != nil {
		return nil, &FieldError{Detail: "the body is not JSON: " + err.Error()}
	}
	for dec.PeekKind() != ']' {
		part, err := dec.ReadValue()
		if err != nil {
			return nil, &FieldError{Detail: "the body is not JSON: " + err.Error()}
		}
		if len(parts) == MaxBatch {
			return nil, &FieldError{Field: "events", Detail: "a batch holds at most " + strconv.Itoa(MaxBatch) + " events"}
		}
		parts = append(parts, part.Clone())
	}
	if len(parts) == 0 {
		return nil, &FieldError{Field: "events", Detail: "the batch is empty: send 1 to " + strconv.Itoa(MaxBatch) + " events"}
	}
	return parts, nil
}

// batchMember returns the member "events" of an object, nil unless it is an array, and
// whether the object has other members.
func batchMember(object jsontext.Value) (list jsontext.Value, others bool, err error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(object), lenient()...)
	if _, err := dec.ReadToken(); err != nil {
		return nil, false, err
	}
	members := 0
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil, false, err
		}
		isList := name.String() == "events"
		value, err := dec.ReadValue()
		if err != nil {
			return nil, false, err
		}
		members++
		if isList && value.Kind() == '[' {
			list = value.Clone()
		}
	}
	return list, members > 1, nil
}

// fields are an event's members before validation.
type fields struct {
	EventID    jsontext.Value `json:"eventId"`
	UserID     jsontext.Value `json:"userId"`
	EventType  jsontext.Value `json:"eventType"`
	Timestamp  jsontext.Value `json:"timestamp"`
	Properties jsontext.Value `json:"properties"`
}

// Decode validates one event, without a clock, and returns all problems. ID and
// Timestamp are zero if the event has none. Properties may alias raw.
func Decode(raw []byte) (Event, []FieldError) {
	p := parser{text: raw}
	if e, ok := p.event(); ok && p.ended() {
		return e, nil
	}
	return decode(raw)
}

// decode is Decode without its fast path: it reads any form and explains problems.
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
		if c, ok := notUTF8(raw); ok && strings.Contains(e.Detail, "invalid UTF-8") {
			e.Detail = fmt.Sprintf("holds invalid UTF-8 (the byte 0x%02x): encode the text in UTF-8, not in Latin-1 or another encoding", c)
		}
		if at := syntactic.ByteOffset; at < int64(len(raw)) && unit(raw[at:])&^0x7ff == 0xd800 {
			e.Detail = "holds " + string(raw[at:at+6]) + ", half of a surrogate pair, which is not a character"
		}
		return e
	}
	return FieldError{Detail: err.Error()}
}

// notUTF8 returns the first byte of a text that isn't UTF-8.
func notUTF8(text []byte) (c byte, ok bool) {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			return text[0], true
		}
		text = text[n:]
	}
	return 0, false
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
	return shorten(strings.ReplaceAll(string(path), "\x00", `\u0000`)) // PostgreSQL can't store NUL
}

// shorten bounds the part of a request that a response repeats.
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
	case v.Kind() == 'n':
		return "", "must be a string, not null"
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
		detail = typeProblem(s)
	}
	return s, detail
}

// CheckType checks an event's type: any text of 1 to MaxTypeRunes characters without
// control characters.
func CheckType(s string) error {
	if problem := typeProblem(s); problem != "" {
		return errors.New(problem)
	}
	return nil
}

// typeProblem returns the problem of a type, or "". Callers store it in a list of
// texts.
func typeProblem(s string) string {
	n := 0
	for _, r := range s { // range yields U+FFFD for invalid UTF-8
		if n++; unicode.IsControl(r) {
			return fmt.Sprintf("must not hold control characters, and has U+%04X", r)
		}
	}
	switch {
	case n < 1 || n > MaxTypeRunes:
		return "must have 1 to " + strconv.Itoa(MaxTypeRunes) + " characters"
	case !utf8.ValidString(s):
		return "must be text in UTF-8"
	}
	return ""
}

// CheckReplaced finds U+FFFD in an event's user id and type. A program that could not
// decode bytes, such as Latin-1, replaces them with U+FFFD, which makes different ids
// equal. ingest rejects it; events that were stored before this check stay.
func (e Event) CheckReplaced() (FieldError, bool) {
	const detail = "holds U+FFFD, the replacement for bytes that are not UTF-8: encode the original text in UTF-8"
	switch {
	case strings.ContainsRune(e.UserID, utf8.RuneError):
		return FieldError{Field: "userId", Detail: detail}, false
	case strings.ContainsRune(e.Type, utf8.RuneError):
		return FieldError{Field: "eventType", Detail: detail}, false
	}
	return FieldError{}, true
}

func properties(v jsontext.Value) (jsontext.Value, string) {
	switch {
	case v == nil:
		return jsontext.Value("{}"), ""
	case v.Kind() == 'n':
		return nil, isNull
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
	isNull    = "must not be null: omit the field"
	rightTime = "must be a time in RFC 3339, such as 2026-01-31T12:00:00.5Z"
	rightID   = "must be a UUID, such as 01890a5d-ac96-774b-bcce-b302099a8057"
)

func timestamp(v jsontext.Value) (time.Time, string) {
	if v == nil {
		return time.Time{}, ""
	}
	if v.Kind() == 'n' {
		return time.Time{}, isNull
	}
	s, detail := text(v)
	if detail != "" {
		return time.Time{}, rightTime
	}
	return parseTime(s)
}

// ParseTime parses a time in RFC 3339 in the years 1970 to 9999 like an event's
// timestamp, and returns it in UTC with whole microseconds.
func ParseTime(s string) (time.Time, bool) {
	t, detail := parseTime(s)
	return t, detail == ""
}

func parseTime(s string) (time.Time, string) {
	t, err := time.Parse(time.RFC3339Nano, s)
	// time.Parse also accepts a one-digit hour, a comma, and the offsets +24:00 and
	// +00:60.
	if err != nil || s[13] != ':' || s[19] == ',' || !rightOffset(s) {
		return time.Time{}, rightTime
	}
	t = t.UTC().Truncate(time.Microsecond)
	if t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}, "must lie in the years 1970 to 9999"
	}
	return t, ""
}

// rightOffset reports whether a time that time.Parse accepted ends with Z or an offset
// of at most 23:59.
func rightOffset(s string) bool {
	if s[len(s)-1] == 'Z' {
		return true
	}
	hour, minute := s[len(s)-5:len(s)-3], s[len(s)-2:]
	return hour <= "23" && minute <= "59"
}

func eventID(v jsontext.Value) (uuid.UUID, string) {
	if v == nil {
		return uuid.Nil, ""
	}
	if v.Kind() == 'n' {
		return uuid.Nil, isNull
	}
	s, detail := text(v)
	if detail != "" {
		return uuid.Nil, rightID
	}
	return parseID([]byte(s))
}

func parseID(s []byte) (uuid.UUID, string) {
	if len(s) != 36 { // ParseBytes accepts other forms too
		return uuid.Nil, rightID
	}
	id, err := uuid.ParseBytes(s)
	if err != nil || id == uuid.Nil {
		return uuid.Nil, rightID
	}
	return id, ""
}

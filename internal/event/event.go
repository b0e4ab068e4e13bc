// Package event declares an analytics event: its fields and limits, the envelope of an
// accepted event, and the stream record with its envelopes. ingest and processor
// validate with the same code.
package event

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Limits of one event and of one request.
const (
	// MaxBodyBytes is the largest request body, after decompression.
	MaxBodyBytes = 4 << 20
	// MaxBatch is the most events in one request.
	MaxBatch = 500
	// MaxUserIDRunes is the longest userId, in characters.
	MaxUserIDRunes = 255
	// MaxTypeRunes is the longest eventType, in characters.
	MaxTypeRunes = 100
	// MaxPropertiesBytes bounds properties as sent.
	MaxPropertiesBytes = 32 << 10
	// MaxDepth is how deep an event's objects and arrays may nest, itself included.
	MaxDepth = 32
	// MaxKeys is the most object members in properties, at all depths together.
	MaxKeys = 512
	// MaxNumberBytes and MaxExponent bound a number as it is written, so that
	// the warehouse's numeric can hold it. Its value must be in the range of a
	// double, as readers cast it to one.
	MaxNumberBytes = 256
	MaxExponent    = 400
)

// Bounds of a timestamp relative to the event's receipt and arrival.
const (
	// MaxAhead is the largest time after the receipt; it tolerates clients' clocks.
	MaxAhead = 24 * time.Hour
	// ArrivalMaxAge and ArrivalMaxAhead are the processor's bounds, relative to the
	// record's arrival on the stream. They are wider than any setting of ingest, so
	// that a changed setting never makes the processor reject an accepted event.
	ArrivalMaxAge   = 366 * 24 * time.Hour
	ArrivalMaxAhead = 25 * time.Hour
)

// Event is one action of a user. Its identity is (ID, Timestamp).
type Event struct {
	ID     uuid.UUID
	UserID string
	Type   string
	// Timestamp is in UTC with whole microseconds.
	Timestamp time.Time
	// Properties is a JSON object without insignificant white space.
	Properties jsontext.Value
}

// FieldError describes an invalid field of an event and the valid values.
type FieldError struct {
	// Event is the event's index in its request.
	Event int `json:"event"`
	// Field is the field's name, a path inside properties, or empty for the event as a
	// whole.
	Field string `json:"field,omitempty"`
	// Detail reads as a sentence after the field's name.
	Detail string `json:"detail"`
}

func (e FieldError) Error() string {
	if e.Field == "" {
		return "event " + strconv.Itoa(e.Event) + ": " + e.Detail
	}
	return "event " + strconv.Itoa(e.Event) + ": " + e.Field + ": " + e.Detail
}

// AppendJSON appends the event with its identity, on one line.
func (e Event) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"eventId":"`...)
	dst = AppendID(dst, e.ID)
	dst = append(dst, `","userId":`...)
	dst = appendString(dst, e.UserID)
	dst = append(dst, `,"eventType":`...)
	dst = appendString(dst, e.Type)
	dst = append(dst, `,"timestamp":"`...)
	dst = AppendTime(dst, e.Timestamp)
	dst = append(dst, `","properties":`...)
	dst = append(dst, e.Properties...)
	return append(dst, '}')
}

// AppendID appends an id as String formats it, without an allocation.
func AppendID(dst []byte, id uuid.UUID) []byte {
	dst = append(hex.AppendEncode(dst, id[:4]), '-')
	dst = append(hex.AppendEncode(dst, id[4:6]), '-')
	dst = append(hex.AppendEncode(dst, id[6:8]), '-')
	dst = append(hex.AppendEncode(dst, id[8:10]), '-')
	return hex.AppendEncode(dst, id[10:])
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

// AppendTime appends a time in the format of events: RFC 3339, UTC, microseconds.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, timeLayout)
	}
	hour, minute, second := t.Clock()
	micros := t.Nanosecond() / 1000
	dst = append(twoDigits(twoDigits(dst, year/100), year%100), '-')
	dst = append(twoDigits(dst, int(month)), '-')
	dst = append(twoDigits(dst, day), 'T')
	dst = append(twoDigits(dst, hour), ':')
	dst = append(twoDigits(dst, minute), ':')
	dst = append(twoDigits(dst, second), '.')
	dst = twoDigits(twoDigits(twoDigits(dst, micros/10_000), micros/100%100), micros%100)
	return append(dst, 'Z')
}

func twoDigits(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendString appends a quoted string. AppendQuote returns an error only for invalid
// UTF-8, which it then replaces; a decoded string is UTF-8.
func appendString(dst []byte, s string) []byte {
	out, _ := jsontext.AppendQuote(dst, s)
	return out
}

package event

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Formats of records that producers put on the stream without ingest.
const (
	// FormatEvent is an event as POST /events accepts it.
	FormatEvent = "event"
	// FormatAmplify is an object with a name, as clients of Amplify and Pinpoint record:
	// {"name": "purchase", "attributes": {…}, "metrics": {…}}.
	FormatAmplify = "amplify"
)

// Formats lists the formats.
func Formats() []string { return []string{FormatAmplify, FormatEvent} }

// Origin is the position of a line on the stream.
type Origin struct {
	// Stream is the ARN of the stream.
	Stream, Shard, Sequence string
	// Line is the line's index in the record.
	Line int
	// Arrived is when the stream accepted the record.
	Arrived      time.Time
	PartitionKey string
}

// directNamespace is the namespace of the ids of events that producers put on the stream.
var directNamespace = uuid.MustParse("b9a0f6c4-6a1e-5b3d-8d57-2f1c84e0a913")

// id returns the same id whenever and wherever the line is read.
func (o Origin) id() uuid.UUID {
	_, shard, other := strings.Cut(o.Shard, ":") // after the bucket of another archive
	if !other {
		shard = o.Shard
	}
	return uuid.NewSHA1(directNamespace, []byte(strings.Join([]string{o.Stream, shard, o.Sequence, strconv.Itoa(o.Line)}, "\n")))
}

// DecodeLine decodes a line of the stream: an envelope of ingest, or else one of the
// formats. A line that isn't an envelope gets its identity from its origin.
func DecodeLine(line []byte, o Origin, formats []string) (Envelope, error) {
	e, err := DecodeEnvelope(line)
	if err == nil || len(formats) == 0 {
		return e, err
	}
	var members struct {
		Event     jsontext.Value `json:"event"`
		EventType jsontext.Value `json:"eventType"`
		Name      jsontext.Value `json:"name"`
	}
	if wrong := json.Unmarshal(line, &members); wrong != nil || members.Event.Kind() == '{' {
		return Envelope{}, err
	}
	var read Event
	var wrong []FieldError
	switch {
	case members.EventType != nil && slices.Contains(formats, FormatEvent):
		read, wrong = Decode(line)
	case members.Name != nil && slices.Contains(formats, FormatAmplify):
		read, wrong = decodeAmplify(line, o)
	default:
		return Envelope{}, fmt.Errorf("%w; it is none of the formats %s either", err, strings.Join(formats, ", "))
	}
	if len(wrong) > 0 {
		return Envelope{}, fmt.Errorf("decode event: %w", wrong[0])
	}
	if wrong, ok := read.CheckReplaced(); !ok {
		return Envelope{}, fmt.Errorf("decode event: %w", wrong)
	}
	if read.ID == uuid.Nil {
		if o.Stream == "" {
			return Envelope{}, errors.New("decode event: the archive was written without StreamFormats, and doesn't have the stream of which the event's id consists")
		}
		read.ID = o.id()
	}
	if read.Timestamp.IsZero() {
		read.Timestamp = o.Arrived
	}
	return Envelope{Event: read, ReceivedAt: o.Arrived}, nil
}

// decodeAmplify decodes an object with a name. Its user is the userId, else the record's
// partition key; its properties are the whole object.
func decodeAmplify(line []byte, o Origin) (Event, []FieldError) {
	var v struct {
		Name   string         `json:"name"`
		UserID jsontext.Value `json:"userId"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return Event{}, []FieldError{{Field: "name", Detail: "must be text"}}
	}
	user := o.PartitionKey
	switch v.UserID.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, v.UserID)
		if err != nil {
			return Event{}, []FieldError{{Field: "userId", Detail: "is not valid text"}}
		}
		user = string(text)
	case '0':
		user = string(v.UserID)
	case 'n', 0:
	default:
		return Event{}, []FieldError{{Field: "userId", Detail: "must be text or a number"}}
	}
	e := Event{ID: o.id(), UserID: user, Type: v.Name, Timestamp: o.Arrived, Properties: line}
	read, wrong := Decode(e.AppendJSON(make([]byte, 0, len(line)+len(user)+len(v.Name)+150)))
	if o.Stream == "" {
		read.ID = uuid.Nil // DecodeLine explains the missing stream
	}
	return read, wrong
}

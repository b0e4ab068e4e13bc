package segment

import (
	"io"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/event"
)

// namespace is the namespace of the events' ids. It is the same for every key, because
// keys are replaced, and differs from any signed client's ids.
var namespace = uuid.MustParse("6d1f6c52-7f0d-5a41-9a3c-0f6f3b7c9e21")

// Receipt has the facts of a request's receipt.
type Receipt struct {
	// At is the time of the request.
	At time.Time
	// SentAt is the header SentAt, for bodies without one.
	SentAt string
	// IP is the client's address.
	IP string
	// Random is the source of ids for messages without one.
	Random io.Reader
	// Privacy is applied before an event exists.
	Privacy *Privacy
}

// Message is a message as an event.
type Message struct {
	Event event.Event
	// ClientTime is the time before the correction, zero unless Skewed.
	ClientTime time.Time
	// Skew is how far the client's clock was behind; zero unless Skewed.
	Skew time.Duration
	// Links are the user ids of anonymous events that belong to the event's user.
	Links []string
}

// fields are the members of a message that the mapping reads.
type fields struct {
	Type              jsontext.Value `json:"type"`
	Event             jsontext.Value `json:"event"`
	UserID            jsontext.Value `json:"userId"`
	AnonymousID       jsontext.Value `json:"anonymousId"`
	PreviousID        jsontext.Value `json:"previousId"`
	MessageID         jsontext.Value `json:"messageId"`
	Timestamp         jsontext.Value `json:"timestamp"`
	OriginalTimestamp jsontext.Value `json:"originalTimestamp"`
	SentAt            jsontext.Value `json:"sentAt"`
	Context           jsontext.Value `json:"context"`
	WriteKey          jsontext.Value `json:"writeKey"`
}

// Event returns a message as an event, or all problems of it. Its neighbors don't
// matter.
func (r *Request) Event(index int, receipt Receipt) (Message, []event.FieldError) {
	raw := r.messages[index]
	if len(raw) > MaxMessageBytes {
		return Message{}, tooLarge(len(raw))
	}
	if raw.Kind() != '{' {
		return Message{}, fieldError("", "must be a JSON object")
	}
	var f fields
	if err := json.Unmarshal(raw, &f, json.JoinOptions(loose()...)); err != nil {
		return Message{}, fieldError("", "is not a valid JSON object")
	}
	kind, wrong := r.kind(f)
	if wrong != nil {
		return Message{}, wrong
	}
	user, wrong := userOf(f)
	if wrong == nil {
		wrong = checkUser(user, receipt.Privacy)
	}
	if wrong != nil {
		return Message{}, wrong
	}
	sent := r.sentAt
	if sent == nil {
		sent = f.SentAt
	}
	at, wrong := timesOf(f, sent, receipt)
	if wrong != nil {
		return Message{}, wrong
	}
	name := kind
	if kind == "track" {
		var ok bool
		if name, ok = scalar(f.Event); !ok || name == "" {
			return Message{}, fieldError("event", "is required: the name of the event, as text")
		}
	}
	kept, wrong := r.keep(raw, f, receipt)
	if wrong != nil {
		return Message{}, wrong
	}
	m, wrong := at.message(f, name, receipt.Privacy.User(user), kept, receipt)
	m.Links = linksOf(f, kind, user, receipt.Privacy)
	return m, wrong
}

// checkUser checks a user id before it is hashed.
func checkUser(user string, p *Privacy) []event.FieldError {
	if p == nil || p.UserID == nil {
		return nil
	}
	if wrong, ok := (event.Event{UserID: user}).CheckReplaced(); !ok {
		return []event.FieldError{wrong}
	}
	return nil
}

// linksOf returns the anonymous ids that a message links to its user: its anonymousId,
// and the previousId of an alias. A previousId is never the id of a known user here: a
// write key must not give the events of one user to another.
func linksOf(f fields, kind, user string, p *Privacy) (links []string) {
	if !event.IsPerson(user) {
		return nil
	}
	add := func(name string, value jsontext.Value) {
		text, ok := scalar(value)
		if !ok || event.Link(text) == "" || p.drops([]string{name}) {
			return
		}
		if id := event.Link(p.user(text)); !slices.Contains(links, id) {
			links = append(links, id)
		}
	}
	add("anonymousId", f.AnonymousID)
	if kind == "alias" {
		add("previousId", f.PreviousID)
	}
	return links
}

// kind returns the call of a message: that of the path, or the message's type.
func (r *Request) kind(f fields) (string, []event.FieldError) {
	if r.call != "" {
		return r.call, nil
	}
	kind := text(f.Type)
	if !calls[kind] {
		return "", fieldError("type", "must be track, page, screen, identify, group or alias")
	}
	return kind, nil
}

// userOf returns the event's user id: the userId, or the anonymous id after
// event.AnonymousPrefix.
func userOf(f fields) (string, []event.FieldError) {
	user, ok := scalar(f.UserID)
	if !ok {
		return "", fieldError("userId", "must be text or a number")
	}
	if user != "" {
		return user, nil
	}
	anonymous, ok := scalar(f.AnonymousID)
	switch {
	case !ok:
		return "", fieldError("anonymousId", "must be text or a number")
	case anonymous == "":
		return "", fieldError("userId", "is required, or anonymousId")
	}
	return event.AnonymousPrefix + anonymous, nil
}

// message builds the event as text and decodes it like any other event, so that the
// same limits apply.
func (t times) message(f fields, name, user string, kept []byte, receipt Receipt) (Message, []event.FieldError) {
	e := event.Event{UserID: user, Type: name, Timestamp: t.event.UTC().Truncate(time.Microsecond), Properties: kept}
	messageID, ok := scalar(f.MessageID)
	if !ok {
		return Message{}, fieldError("messageId", "must be text")
	}
	if messageID != "" {
		e.ID = uuid.NewSHA1(namespace, []byte(messageID))
	} else if err := e.Identify(t.event, receipt.Random); err != nil {
		return Message{}, fieldError("messageId", err.Error())
	}
	room := make([]byte, 0, len(kept)+len(user)+len(name)+150)
	decoded, wrong := event.Decode(e.AppendJSON(room))
	if len(wrong) > 0 {
		return Message{}, rename(wrong)
	}
	m := Message{Event: decoded, Skew: t.skew}
	if t.skew != 0 {
		m.ClientTime = t.client.UTC().Truncate(time.Microsecond)
	}
	return m, nil
}

// rename gives the fields of an event the names that the message has.
func rename(wrong []event.FieldError) []event.FieldError {
	for i := range wrong {
		switch field := wrong[i].Field; field {
		case "eventType":
			wrong[i].Field = "event"
		case "properties":
			wrong[i].Field = ""
		default:
			wrong[i].Field = strings.TrimPrefix(field, "properties.")
		}
	}
	return wrong
}

package event

import (
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// Decoded is one event of a request, or its problems.
type Decoded struct {
	Event  Event
	Errors []FieldError
}

// Read splits a request's body and validates its events, like Split and Decode, in one
// pass where that is possible. The events' properties may alias body.
func Read(body []byte) ([]Decoded, *FieldError) {
	p := parser{text: body}
	if all, ok := p.body(); ok {
		return all, nil
	}
	parts, wrong := Split(body)
	if wrong != nil {
		return nil, wrong
	}
	all := make([]Decoded, len(parts))
	for i, part := range parts {
		all[i].Event, all[i].Errors = Decode(part)
	}
	return all, nil
}

func (p *parser) body() (all []Decoded, ok bool) {
	wrapped := false
	if p.next() == '{' {
		if wrapped = p.wrapper(); !wrapped {
			e, ok := p.event()
			return []Decoded{{Event: e}}, ok && p.ended()
		}
	}
	if !p.take('[') {
		return nil, false
	}
	const few = 200 // bytes of a small event, to size the slice
	all = make([]Decoded, 0, min(MaxBatch, 1+len(p.text)/few))
	for more := true; more; {
		e, ok := p.event()
		if !ok || len(all) == MaxBatch {
			return nil, false
		}
		all = append(all, Decoded{Event: e})
		if more = p.take(','); !more && !p.take(']') {
			return nil, false
		}
	}
	return all, (!wrapped || p.take('}')) && p.ended()
}

// wrapper skips the start of {"events": […]}, if the body has that form.
func (p *parser) wrapper() bool {
	start := p.at
	p.at++
	if p.next() == '"' && p.skip(`"events"`) && p.take(':') && p.next() == '[' {
		return true
	}
	p.at = start
	return false
}

// event reads an event.
func (p *parser) event() (e Event, ok bool) {
	if !p.take('{') {
		return e, false
	}
	p.keys, p.open = 0, 0
	for more := true; more; {
		if p.next() != '"' {
			return e, false
		}
		name, _, ok := p.str()
		if !ok || !p.remember(0, name) || !p.take(':') || !p.field(&e, name) {
			return e, false
		}
		if more = p.take(','); !more && !p.take('}') {
			return e, false
		}
	}
	if e.UserID == "" || e.Type == "" {
		return e, false
	}
	if e.Properties == nil {
		e.Properties = jsontext.Value("{}")
	}
	if e.ID != uuid.Nil && e.Timestamp.IsZero() {
		var wrong string
		e.Timestamp, wrong = timeOf(e.ID)
		return e, wrong == ""
	}
	return e, true
}

// field reads the value of one member of an event.
func (p *parser) field(e *Event, name []byte) bool {
	if string(name) == "properties" {
		return p.properties(e)
	}
	if p.next() != '"' {
		return false
	}
	raw, escaped, ok := p.str()
	if !ok {
		return false
	}
	wrong := ""
	switch string(name) {
	case "userId", "eventType":
		if escaped {
			var err error
			if raw, err = jsontext.AppendUnquote(nil, p.text[p.at-len(raw)-2:p.at]); err != nil {
				return false
			}
		}
		if string(name) == "userId" {
			e.UserID = string(raw)
			wrong = checkUserID(e.UserID)
		} else {
			e.Type = string(raw)
			wrong = typeProblem(e.Type)
		}
	case "timestamp":
		e.Timestamp, wrong = parseTime(string(raw))
	case "eventId":
		e.ID, wrong = parseID(raw)
	default:
		return false
	}
	return wrong == ""
}

func (p *parser) properties(e *Event) bool {
	if p.next() != '{' {
		return false
	}
	start := p.at
	p.spaced = false
	if !p.object(2) || p.at-start > MaxPropertiesBytes {
		return false
	}
	raw := p.text[start:p.at:p.at]
	if p.spaced {
		raw = compact(raw)
	}
	e.Properties = raw
	return true
}

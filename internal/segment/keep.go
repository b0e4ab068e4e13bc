package segment

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/event"
)

// keep returns the message as it is kept in the event's properties: without the write
// key, and with the batch's context if it has none. Text that PostgreSQL can't store is
// replaced by U+FFFD.
func (r *Request) keep(raw jsontext.Value, f fields, receipt Receipt) ([]byte, []event.FieldError) {
	addContext := r.context != nil && f.Context == nil
	if addContext && len(raw)+len(r.context) > MaxMessageBytes {
		return nil, tooLarge(len(raw) + len(r.context))
	}
	hasIP := bytes.Contains(raw, []byte(`"ip"`)) || bytes.Contains(r.context, []byte(`"ip"`))
	address := receipt.Privacy.address(receipt.IP)
	if f.WriteKey == nil && !addContext && !hasIP && address == "" && !receipt.Privacy.rewrites() && storable(raw) {
		return raw, nil
	}
	e := editor{privacy: receipt.Privacy, address: address}
	if addContext {
		e.context = r.context
	}
	return e.message(raw)
}

// storable reports whether the warehouse can store a text as it is. Escapes that stand
// for half a surrogate pair begin with \ud; most of them are pairs.
func storable(raw []byte) bool {
	return utf8.Valid(raw) && !bytes.Contains(raw, []byte(`\u0000`)) && !bytes.Contains(raw, []byte(`\ud`)) && !bytes.Contains(raw, []byte(`\uD`))
}

// Properties returns properties of an event that isn't a message without the members to
// drop.
func (p *Privacy) Properties(properties jsontext.Value) jsontext.Value {
	if p == nil || len(p.Drop) == 0 {
		return properties
	}
	e := editor{privacy: p, plain: true}
	out, wrong := e.message(properties)
	if len(wrong) > 0 {
		return jsontext.Value("{}") // not an event: Decode rejects duplicates
	}
	return out
}

// editor copies a message with changes.
type editor struct {
	privacy *Privacy
	// context is added at the end; address is added to a context without one.
	context jsontext.Value
	address string

	dec  *jsontext.Decoder
	enc  *jsontext.Encoder
	path []string
	// plain is an object that isn't a message: only Drop applies.
	plain bool
	// hasContext and hasIP report which members the message has.
	hasContext, hasIP bool
}

func (e *editor) message(raw []byte) ([]byte, []event.FieldError) {
	var out bytes.Buffer
	out.Grow(len(raw) + len(e.context))
	options := []jsontext.Options{jsontext.AllowInvalidUTF8(true)} // duplicates are errors
	e.dec, e.enc = jsontext.NewDecoder(bytes.NewBuffer(slices.Clone(raw)), options...), jsontext.NewEncoder(&out, options...)
	if err := e.value(); err != nil {
		return nil, fieldError("", "has two members of the same name")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// value copies the next value.
func (e *editor) value() error {
	switch e.dec.PeekKind() {
	case '{':
		return e.object()
	case '[':
		return e.array()
	}
	token, err := e.dec.ReadToken()
	if err != nil {
		return err
	}
	if !e.plain && e.privacy.hashes(e.path) && (token.Kind() == '"' || token.Kind() == '0') {
		return e.enc.WriteToken(jsontext.String(e.privacy.user(token.String())))
	}
	if token.Kind() == '"' {
		return e.enc.WriteToken(jsontext.String(e.replaced(token.String())))
	}
	return e.enc.WriteToken(token)
}

// replaced returns the text that is stored at the path.
func (e *editor) replaced(text string) string {
	if e.isAddress() {
		text = e.privacy.address(text)
	}
	return strings.ReplaceAll(text, "\x00", string(utf8.RuneError))
}

func (e *editor) isAddress() bool {
	return !e.plain && len(e.path) == 2 && e.path[0] == "context" && e.path[1] == "ip"
}

func (e *editor) array() error {
	return e.within(func() error {
		for e.dec.PeekKind() != ']' {
			e.path = append(e.path, "") // no member of a list has a path
			if err := e.value(); err != nil {
				return err
			}
			e.path = e.path[:len(e.path)-1]
		}
		return nil
	})
}

func (e *editor) object() error {
	return e.within(func() error {
		for e.dec.PeekKind() != '}' {
			if err := e.member(); err != nil {
				return err
			}
		}
		return e.add()
	})
}

// within copies the brackets around a list or an object.
func (e *editor) within(inside func() error) error {
	for _, step := range []func() error{e.token, inside, e.token} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (e *editor) token() error {
	token, err := e.dec.ReadToken()
	if err != nil {
		return err
	}
	return e.enc.WriteToken(token)
}

func (e *editor) member() error {
	name, err := e.dec.ReadToken()
	if err != nil {
		return err
	}
	e.path = append(e.path, strings.ReplaceAll(name.String(), "\x00", string(utf8.RuneError)))
	defer func() { e.path = e.path[:len(e.path)-1] }()
	if e.removed() {
		return e.dec.SkipValue()
	}
	if len(e.path) == 1 && e.path[0] == "context" {
		e.hasContext = true
	}
	if err := e.enc.WriteToken(jsontext.String(e.path[len(e.path)-1])); err != nil {
		return err
	}
	return e.value()
}

// removed reports whether the member at the path is left out.
func (e *editor) removed() bool {
	switch {
	case !e.plain && len(e.path) == 1 && e.path[0] == "writeKey":
		return true
	case e.isAddress():
		e.hasIP = true
		if e.privacy == nil || e.privacy.Addresses == DropAddresses || e.privacy.Addresses == "" || e.dec.PeekKind() != '"' {
			return true
		}
	case !e.plain && e.privacy.hashes(e.path):
		if kind := e.dec.PeekKind(); kind == '{' || kind == '[' {
			return true // not an id
		}
	}
	return e.privacy.drops(e.path)
}

// add writes the members that the object at the path gets.
func (e *editor) add() error {
	switch {
	case len(e.path) == 1 && e.path[0] == "context" && !e.hasIP && e.address != "" && !e.privacy.drops([]string{"context", "ip"}):
		return errorsOf(e.enc.WriteToken(jsontext.String("ip")), e.enc.WriteToken(jsontext.String(e.address)))
	case len(e.path) == 0 && !e.hasContext && e.context != nil && !e.privacy.drops([]string{"context"}):
		return e.addContext()
	}
	return nil
}

// addContext copies the batch's context with the same rules.
func (e *editor) addContext() error {
	before := e.dec
	e.dec = jsontext.NewDecoder(bytes.NewBuffer(slices.Clone(e.context)), jsontext.AllowInvalidUTF8(true))
	if err := e.enc.WriteToken(jsontext.String("context")); err != nil {
		return err
	}
	e.path = append(e.path, "context")
	err := e.value()
	e.path, e.dec = e.path[:0], before
	return err
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

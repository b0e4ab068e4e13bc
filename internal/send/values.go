package send

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxValues is the largest input that Values takes, in bytes.
const MaxValues = 256 << 20

// values gives the events of a JSON text.
type values struct {
	pieces []piece
	mint   minter
}

// piece is a JSON value and where it begins.
type piece struct {
	raw  jsontext.Value
	line int
}

// Values reads JSON: one event, several after each other, arrays of events, or
// objects with nothing but an array "events". All of it is parsed first: a text
// that isn't JSON is an error before anything is sent.
func Values(r io.Reader, now func() time.Time) (Source, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxValues+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxValues {
		return nil, fmt.Errorf("more than %d MiB of JSON: give it as newline-delimited JSON, an event a line", MaxValues>>20)
	}
	v := &values{mint: minter{now}}
	return v, v.split(text, 1)
}

// split cuts a text, which begins on a line, into events.
func (v *values) split(text []byte, line int) error {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	counted := int64(0)
	lineAt := func(offset int64) int {
		line += bytes.Count(text[counted:offset], []byte{'\n'})
		counted = offset
		return line
	}
	for {
		raw, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			at := d.InputOffset()
			if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
				at = syntax.ByteOffset
			}
			return fmt.Errorf("line %d: not JSON: %w", lineAt(min(max(at, counted), int64(len(text)))), err)
		}
		begin := lineAt(d.InputOffset() - int64(len(raw)))
		if err := v.add(bytes.Clone(raw), begin); err != nil {
			return err
		}
	}
}

// add notes a value: an event, or the events of an array.
func (v *values) add(raw jsontext.Value, line int) error {
	list := raw
	if raw.Kind() == '{' {
		if list = wrapped(raw); list == nil {
			v.pieces = append(v.pieces, piece{raw, line})
			return nil
		}
		line += bytes.Count(raw[:bytes.IndexByte(raw, '[')], []byte{'\n'})
	}
	if list.Kind() != '[' {
		v.pieces = append(v.pieces, piece{raw, line}) // which is no event: it is refused by its line
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(list), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	counted := int64(0)
	for d.PeekKind() != ']' {
		element, err := d.ReadValue()
		if err != nil {
			return err
		}
		begin := d.InputOffset() - int64(len(element))
		line += bytes.Count(list[counted:begin], []byte{'\n'})
		counted = begin
		v.pieces = append(v.pieces, piece{bytes.Clone(element), line})
	}
	return nil
}

// wrapped gives the array of {"events": […]}, nil for any other object.
func wrapped(raw jsontext.Value) jsontext.Value {
	d := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	name, err := d.ReadToken()
	if err != nil || name.Kind() != '"' || name.String() != "events" || d.PeekKind() != '[' {
		return nil
	}
	list, err := d.ReadValue()
	if err != nil {
		return nil
	}
	list = bytes.Clone(list)
	if d.PeekKind() != '}' {
		return nil
	}
	return list
}

// Next gives the next event.
func (v *values) Next() (Item, error) {
	if len(v.pieces) == 0 {
		return Item{}, io.EOF
	}
	p := v.pieces[0]
	v.pieces = v.pieces[1:]
	return v.mint.item(p.raw, p.line)
}

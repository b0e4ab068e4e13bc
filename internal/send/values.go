package send

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/event"
)

// MaxValues is the largest input of Values in bytes.
const MaxValues = 256 << 20

// values returns the events of a JSON text.
type values struct {
	pieces []piece
	lines  int
	number int
}

// piece is a JSON value and its place.
type piece struct {
	raw  jsontext.Value
	line int
	// event is set if raw is already decoded.
	event *event.Event
}

// Values reads JSON: one event, several events in a row, arrays of events, or objects
// whose only member is an array "events". It parses the whole input first: invalid JSON
// is an error before any event is sent.
func Values(r io.Reader) (Source, error) {
	v, err := readValues(r, Input{})
	if err != nil {
		return nil, err
	}
	return v, nil
}

func readValues(r io.Reader, in Input) (*values, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxValues+1))
	if err != nil {
		return nil, err
	}
	if len(text) > MaxValues {
		return nil, fmt.Errorf("more than %d MiB of JSON: write it as newline-delimited JSON, one event per line", MaxValues>>20)
	}
	v := &values{lines: bytes.Count(text, []byte{'\n'})}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		v.lines++
	}
	if err := v.split(text, 1); err != nil {
		return nil, err
	}
	for len(v.pieces) > 0 && v.pieces[0].line < in.FromLine {
		v.pieces = v.pieces[1:]
	}
	return v, nil
}

// Lines returns the number of lines of the text.
func (v *values) Lines() int { return v.lines }

// Position returns the line of the next event.
func (v *values) Position() int {
	if len(v.pieces) > 0 {
		return v.pieces[0].line
	}
	return v.lines + 1
}

// split splits a text, which starts on a line, into events.
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
			return fmt.Errorf("line %d: %w", lineAt(min(max(at, counted), int64(len(text)))), notJSON(err))
		}
		begin := lineAt(d.InputOffset() - int64(len(raw)))
		if v.pieces, err = appendPieces(v.pieces, bytes.Clone(raw), begin); err != nil {
			return err
		}
	}
}

// appendPieces appends an event, or the events of an array.
func appendPieces(all []piece, raw jsontext.Value, line int) ([]piece, error) {
	list := raw
	if raw.Kind() == '{' {
		if list = wrapped(raw); list == nil {
			return append(all, piece{raw: raw, line: line}), nil
		}
		line += bytes.Count(raw[:bytes.IndexByte(raw, '[')], []byte{'\n'})
	}
	if list.Kind() != '[' {
		return append(all, piece{raw: raw, line: line}), nil // not an event: it is rejected with its line
	}
	d := jsontext.NewDecoder(bytes.NewReader(list), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := d.ReadToken(); err != nil {
		return all, err
	}
	counted := int64(0)
	for d.PeekKind() != ']' {
		element, err := d.ReadValue()
		if err != nil {
			return all, err
		}
		begin := d.InputOffset() - int64(len(element))
		line += bytes.Count(list[counted:begin], []byte{'\n'})
		counted = begin
		all = append(all, piece{raw: bytes.Clone(element), line: line})
	}
	return all, nil
}

// wrapped returns the array of {"events": […]}, nil for any other object.
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

// Next returns the next event.
func (v *values) Next() (Item, error) {
	if len(v.pieces) == 0 {
		return Item{}, io.EOF
	}
	p := v.pieces[0]
	v.pieces = v.pieces[1:]
	v.number++
	return item(p, v.number)
}

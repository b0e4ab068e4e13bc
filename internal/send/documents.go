package send

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/event"
)

const (
	// maxLine is the longest line of an input in bytes: twice the largest event.
	maxLine = 128 << 10
	// maxDocument bounds a JSON document that spans several lines.
	maxDocument = 1 << 20
)

// item decodes one event. It completes the identity before the first try.
func item(p piece, number int) (Item, error) {
	if p.event == nil {
		e, problems := event.Decode(bytes.TrimSpace(p.raw))
		if len(problems) > 0 {
			return Item{}, &BadError{Line: p.line, Number: number, Text: p.raw, Err: errors.New(reasons(problems))}
		}
		e.Properties = bytes.Clone(e.Properties)
		p.event = &e
	}
	i := Item{Event: *p.event, Line: p.line, Number: number, Minted: p.event.ID == uuid.Nil || p.event.Timestamp.IsZero()}
	return i, i.Identify(time.Now(), rand.Reader)
}

// row is a line of the input, without its end.
type row struct {
	text []byte
	line int
	// long reports a line longer than maxLine; text is its start.
	long bool
}

// documents reads JSON documents: usually one event per line, also documents over
// several lines.
type documents struct {
	in     Input
	r      *bufio.Reader
	line   int   // of the last row read
	again  []row // pushed back, read before r
	ready  []piece
	number int
}

func newDocuments(r *bufio.Reader, in Input) *documents {
	return &documents{in: in, r: r}
}

// Lines returns how many lines were read.
func (d *documents) Lines() int { return d.line }

// Position returns the first line whose events were not all returned yet.
func (d *documents) Position() int {
	switch {
	case len(d.ready) > 0:
		return d.ready[0].line
	case len(d.again) > 0:
		return d.again[0].line
	}
	return d.line + 1
}

// Next returns the next event.
func (d *documents) Next() (Item, error) {
	for len(d.ready) == 0 {
		if err := d.fill(); err != nil {
			return Item{}, err
		}
	}
	p := d.ready[0]
	d.ready = d.ready[1:]
	d.number++
	return item(p, d.number)
}

// fill reads one line, and the following lines of its last document.
func (d *documents) fill() error {
	first, err := d.row()
	if err != nil {
		return err
	}
	text := bytes.TrimSpace(first.text)
	switch {
	case first.line < d.in.FromLine || len(text) == 0:
		return nil
	case first.long:
		return d.bad(first.line, first.text, fmt.Errorf("longer than %d bytes", maxLine))
	}
	if text[0] == '{' && text[len(text)-1] == '}' { // the usual case
		if e, problems := event.Decode(text); len(problems) == 0 {
			d.ready = append(d.ready, piece{raw: text, line: first.line, event: &e})
			return nil
		}
	}
	if text[0] != '{' && text[0] != '[' && jsontext.Value(text).IsValid() {
		d.ready = append(d.ready, piece{raw: text, line: first.line}) // a number, say: Next rejects it
		return nil
	}
	return d.document(first)
}

// feed gives a decoder one row per read and records the rows.
type feed struct {
	d    *documents
	rows []row
	next []byte // of the last row, not yet read
	size int
}

func (f *feed) Read(p []byte) (int, error) {
	if len(f.next) == 0 {
		if f.size > maxDocument {
			return 0, errDocument
		}
		r, err := f.d.row()
		if err != nil {
			return 0, err
		}
		if r.long {
			f.rows = append(f.rows, r)
			return 0, fmt.Errorf("longer than %d bytes", maxLine)
		}
		f.add(r)
	}
	n := copy(p, f.next)
	f.next = f.next[n:]
	return n, nil
}

func (f *feed) add(r row) {
	f.rows = append(f.rows, r)
	f.next = append(bytes.Clone(r.text), '\n')
	f.size += len(f.next)
}

var errDocument = fmt.Errorf("a JSON document of more than %d bytes", maxDocument)

// document reads all documents that start on a row.
func (d *documents) document(first row) error {
	f := &feed{d: d}
	f.add(first)
	dec := jsontext.NewDecoder(f, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	offset, line := int64(0), first.line
	for {
		raw, err := dec.ReadValue()
		if err != nil {
			return d.broken(f.rows, err)
		}
		raw = bytes.Clone(raw)
		begin, end := dec.InputOffset()-int64(len(raw)), dec.InputOffset()
		line += f.count(offset, begin)
		if d.ready, err = appendPieces(d.ready, raw, line); err != nil {
			return d.broken(f.rows, err)
		}
		line += f.count(begin, end)
		offset = end
		if len(bytes.TrimSpace(dec.UnreadBuffer()))+len(bytes.TrimSpace(f.next)) == 0 {
			return nil
		}
	}
}

// count returns how many rows end between two offsets.
func (f *feed) count(from, to int64) (n int) {
	at := int64(0)
	for _, r := range f.rows {
		at += int64(len(r.text)) + 1
		if at > from && at <= to {
			n++
		}
	}
	return n
}

// broken rejects a document that isn't JSON, and continues with the next row that
// begins one.
func (d *documents) broken(rows []row, err error) error {
	read := error(nil)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errors.New("not JSON: the input ends in the middle of a document")
	} else if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		err = notJSON(err)
	} else if !errors.Is(err, errDocument) && !rows[len(rows)-1].long {
		read = err // of the input itself: Next returns it again
	}
	next := 1
	for next < len(rows) && !begins(rows[next]) {
		next++
	}
	d.again = append(append([]row{}, rows[next:]...), d.again...)
	whole := next == len(rows)
	for next > 1 && len(bytes.TrimSpace(rows[next-1].text)) == 0 {
		next-- // empty lines after it
	}
	d.ready = nil
	var text []byte
	for i, r := range rows[:next] {
		if i > 0 {
			text = append(text, '\n')
		}
		text = append(text, r.text...)
	}
	last := rows[next-1].line
	for whole && len(rows) > 1 && read == nil { // the rest of the broken document
		r, rowErr := d.row()
		if rowErr != nil {
			break
		}
		if begins(r) {
			d.again = append(d.again, r)
			break
		}
		if len(text) < maxDocument {
			text = append(append(text, '\n'), r.text...)
		}
		last = r.line
	}
	if read != nil && whole {
		return read
	}
	if last > rows[0].line {
		err = fmt.Errorf("%w (lines %d to %d)", err, rows[0].line, last)
	}
	return d.bad(rows[0].line, text, err)
}

func notJSON(err error) error {
	return errors.New("not JSON: " + strings.TrimPrefix(err.Error(), "jsontext: "))
}

// begins reports whether a row begins a document: an opening bracket that isn't
// indented.
func begins(r row) bool { return len(r.text) > 0 && (r.text[0] == '{' || r.text[0] == '[') }

func (d *documents) bad(line int, text []byte, err error) error {
	d.number++
	return &BadError{Line: line, Number: d.number, Text: text, Err: err}
}

// row reads a line without its end.
func (d *documents) row() (row, error) {
	if len(d.again) > 0 {
		r := d.again[0]
		d.again = d.again[1:]
		return r, nil
	}
	r := row{line: d.line + 1}
	for {
		part, err := d.r.ReadSlice('\n')
		if len(r.text)+len(part) <= maxLine {
			r.text = append(r.text, part...)
		} else {
			r.text = append(r.text, part[:max(0, maxLine-len(r.text))]...)
			r.long = true
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(r.text) > 0:
		case errors.Is(err, io.EOF):
			return row{}, io.EOF
		case err != nil:
			return row{}, located(d.in.Name, r.line, err)
		}
		d.line++
		// Files with a byte-order mark may have been joined into one.
		r.text = bytes.TrimPrefix(bytes.TrimRight(r.text, "\r\n"), []byte("\ufeff"))
		return r, nil
	}
}

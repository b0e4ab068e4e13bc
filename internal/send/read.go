package send

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/streamctl/streamctl/internal/event"
)

// maxLine is the longest line of an input, in bytes: twice the largest event.
const maxLine = 128 << 10

// lines reads newline-delimited JSON, an event a line.
type lines struct {
	r    *bufio.Reader
	line int
	mint minter
}

// minter gives events without one their identity.
type minter struct{ now func() time.Time }

// item reads an event out of a part of the input.
func (m minter) item(text []byte, line int) (Item, error) {
	e, problems := event.Decode(bytes.TrimSpace(text))
	if len(problems) > 0 {
		return Item{}, &BadError{Line: line, Text: text, Err: errors.New(reasons(problems))}
	}
	e.Properties = bytes.Clone(e.Properties)
	if err := e.Identify(m.now(), rand.Reader); err != nil {
		return Item{}, err
	}
	return Item{Event: e, Line: line}, nil
}

// Lines reads newline-delimited JSON. Blank lines are passed over.
func Lines(r io.Reader, now func() time.Time) Source {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), mint: minter{now}}
}

// Next gives the next line's event.
func (l *lines) Next() (Item, error) {
	for {
		text, whole, err := l.read()
		if err != nil {
			return Item{}, err
		}
		l.line++
		if !whole {
			return Item{}, &BadError{Line: l.line, Text: text, Err: fmt.Errorf("longer than %d bytes", maxLine)}
		}
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		return l.mint.item(text, l.line)
	}
}

// read gives a line without its end; whole is false for one that is too long,
// of which the beginning is given.
func (l *lines) read() (text []byte, whole bool, err error) {
	whole = true
	for {
		part, err := l.r.ReadSlice('\n')
		if len(text)+len(part) <= maxLine {
			text = append(text, part...)
		} else {
			whole = false
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(text) > 0:
			return text, whole, nil
		case err != nil:
			return nil, false, err
		}
		return bytes.TrimRight(text, "\r\n"), whole, nil
	}
}

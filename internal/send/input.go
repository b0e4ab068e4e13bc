package send

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Input describes where events are read from.
type Input struct {
	// Name is the input's name in errors; a name that ends in .json, or .json.gz,
	// makes the format "auto" mean JSON.
	Name string
	// Format is "ndjson", "json" or "auto".
	Format string
	// FromLine is the first line to read, counted from 1; 0 means 1.
	FromLine int
}

// InputError is an input, or a place in one, that can't be read as events.
type InputError struct {
	Name string
	// Line is counted from 1; 0 means the input as a whole.
	Line int
	Err  error
}

func (e *InputError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("read %s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("read %s: line %d: %v", e.Name, e.Line, e.Err)
}

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// located names the place of an error, unless the error names a line already.
func located(name string, line int, err error) error {
	if e := (*InputError)(nil); errors.As(err, &e) {
		line, err = e.Line, e.Err
	}
	return &InputError{Name: name, Line: line, Err: err}
}

// archives are the first bytes of formats that Open does not decompress.
var archives = []struct{ magic, name, command string }{
	{"PK\x03\x04", "a zip archive", "unzip -p"},
	{"\x28\xb5\x2f\xfd", "zstd", "zstd -dc"},
	{"BZh", "bzip2", "bzip2 -dc"},
	{"\xfd7zXZ\x00", "xz", "xz -dc"},
}

// Open returns the events of r. The first bytes decide how it is read, not the
// name: gzip with any number of members, UTF-8 with or without a byte-order mark,
// UTF-16 with one. JSON is one event per line, documents over several lines, arrays
// of events, {"events": […]}, or any of these one after another.
func Open(r io.Reader, in Input) (Source, error) {
	fail := func(err error) error { return located(in.Name, 0, err) }
	b, err := plain(bufio.NewReaderSize(r, 64<<10))
	if err != nil {
		return nil, fail(err)
	}
	if _, err := b.Peek(1); err != nil && !errors.Is(err, io.EOF) {
		return nil, fail(err)
	}
	start, err := b.Peek(b.Buffered()) // no more: a pipe may be slow
	if err != nil {
		return nil, fail(err)
	}
	if err := looksLikeJSON(start); err != nil {
		return nil, fail(err)
	}
	name := strings.TrimSuffix(strings.ToLower(in.Name), ".gz")
	if in.Format == "json" || in.Format != "ndjson" && (filepath.Ext(name) == ".json" || isBatch(start)) {
		v, err := readValues(b, in)
		if err != nil {
			return nil, fail(err)
		}
		return v, nil
	}
	return newDocuments(b, in), nil
}

// plain removes compression and encoding, as the first bytes announce them.
func plain(b *bufio.Reader) (*bufio.Reader, error) {
	for depth := 0; ; depth++ {
		start, err := b.Peek(6)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		for _, a := range archives {
			if bytes.HasPrefix(start, []byte(a.magic)) {
				return nil, fmt.Errorf("the content is %s: pipe it, `%s FILE | streamctl send -`", a.name, a.command)
			}
		}
		switch {
		case bytes.HasPrefix(start, []byte{0x1f, 0x8b}) && depth == 0:
			z, err := gzip.NewReader(b)
			if err != nil {
				return nil, fmt.Errorf("decompress gzip: %w", truncated(err))
			}
			b = bufio.NewReaderSize(gunzip{z}, 64<<10)
			continue
		case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
			return nil, errors.New("the content is compressed twice with gzip")
		case bytes.HasPrefix(start, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(start, []byte("\x00\x00\xfe\xff")):
			return nil, errors.New("the content is UTF-32: convert it with `iconv -f UTF-32 -t UTF-8`")
		case bytes.HasPrefix(start, []byte{0xff, 0xfe}), bytes.HasPrefix(start, []byte{0xfe, 0xff}):
			return bufio.NewReaderSize(newUTF16(b), 64<<10), nil
		case bytes.HasPrefix(start, []byte("\ufeff")):
			_, err := b.Discard(3)
			return b, err
		}
		return b, nil
	}
}

// gunzip explains the errors of a gzip reader.
type gunzip struct{ z *gzip.Reader }

func (g gunzip) Read(p []byte) (int, error) {
	n, err := g.z.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("decompress gzip: %w", truncated(err))
	}
	return n, err
}

func truncated(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("the file ends in the middle of the compressed data: it is truncated")
	}
	return err
}

// looksLikeJSON rejects an input whose first bytes belong to another format.
func looksLikeJSON(start []byte) error {
	text := bytes.TrimLeft(start, " \t\r\n")
	line := 1 + bytes.Count(start[:len(start)-len(text)], []byte{'\n'})
	if len(text) == 0 {
		return nil
	}
	first, _, _ := bytes.Cut(text, []byte{'\n'})
	zeros := bytes.Count(first, []byte{0})
	want := "want JSON, one event per line"
	switch {
	case zeros*3 >= len(first) && len(first) > 1:
		return fmt.Errorf("line %d: NUL bytes: UTF-16 without a byte-order mark, or no text at all; convert it with `iconv -f UTF-16LE -t UTF-8`", line)
	case text[0] == '{' || text[0] == '[':
		return nil
	case zeros > 0:
		return fmt.Errorf("line %d: NUL bytes: not a text; %s", line, want)
	case text[0] == '<':
		return fmt.Errorf("line %d: not JSON: it looks like XML or HTML; %s", line, want)
	case bytes.ContainsAny(first, ",;\t") && !bytes.Contains(first, []byte{'{'}):
		return fmt.Errorf("line %d: not JSON: it looks like CSV; %s", line, want)
	}
	return fmt.Errorf("line %d: not JSON: it begins with %q; %s", line, string(first[:min(len(first), 20)]), want)
}

// isBatch reports whether an input begins with an array or with {"events": [.
func isBatch(start []byte) bool {
	rest := bytes.TrimLeft(start, " \t\r\n")
	for _, want := range []string{"{", `"events"`, ":", "["} {
		if bytes.HasPrefix(rest, []byte{'['}) && want == "{" {
			return true
		}
		if !bytes.HasPrefix(rest, []byte(want)) {
			return false
		}
		rest = bytes.TrimLeft(rest[len(want):], " \t\r\n")
	}
	return true
}

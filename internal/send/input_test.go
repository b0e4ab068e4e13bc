package send_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/streamctl/streamctl/internal/send"
)

const (
	eventA = `{"userId":"ä","eventType":"x"}`
	eventB = `{"userId":"b","eventType":"y","eventId":"01a21107-88c5-79e7-b572-1e7a489354bb"}`
	pretty = "{\n  \"userId\": \"ä\",\n  \"eventType\": \"x\"\n}"
)

func zipped(t *testing.T, parts ...string) string {
	t.Helper()
	var b bytes.Buffer
	for _, part := range parts {
		z := gzip.NewWriter(&b)
		if _, err := io.WriteString(z, part); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func utf16Of(text string, little bool) string {
	var b []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		if little {
			b = append(b, byte(u), byte(u>>8))
		} else {
			b = append(b, byte(u>>8), byte(u))
		}
	}
	return string(b)
}

// read lists the events of an input as "user line", its rejected places as "bad line:
// reason", and its error.
func read(in send.Input, r io.Reader) string {
	var out []string
	s, err := send.Open(r, in)
	for err == nil {
		var item send.Item
		item, err = s.Next()
		var bad *send.BadError
		switch {
		case errors.As(err, &bad):
			out, err = append(out, fmt.Sprintf("bad %d: %v", bad.Line, bad.Err)), nil
		case err == nil:
			out = append(out, fmt.Sprintf("%s %d", item.UserID, item.Line))
		}
	}
	if !errors.Is(err, io.EOF) {
		out = append(out, "error "+err.Error())
	}
	return strings.Join(out, "|")
}

// TestInputFormats reads one or two events in every supported form of a file.
func TestInputFormats(t *testing.T) {
	both := eventA + "\n" + eventB + "\n"
	for _, tt := range []struct{ name, file, text, want string }{
		{"lines", "e.ndjson", both, "ä 1|b 2"},
		{"no newline at the end", "e.ndjson", strings.TrimSpace(both), "ä 1|b 2"},
		{"CRLF", "e.ndjson", strings.ReplaceAll(both, "\n", "\r\n"), "ä 1|b 2"},
		{"empty lines", "e.ndjson", "\n\n" + eventA + "\n \n" + eventB, "ä 3|b 5"},
		{"UTF-8 with a BOM", "e.ndjson", "\ufeff" + both, "ä 1|b 2"},
		{"joined files with a BOM", "e.ndjson", "\ufeff" + eventA + "\n\ufeff" + eventB, "ä 1|b 2"},
		{"UTF-16, little endian", "e.ndjson", utf16Of(both, true), "ä 1|b 2"},
		{"UTF-16, big endian", "e.ndjson", utf16Of(both, false), "ä 1|b 2"},
		{"gzip", "e.ndjson.gz", zipped(t, both), "ä 1|b 2"},
		{"gzip by its bytes", "events", zipped(t, both), "ä 1|b 2"},
		{"gzip of several members", "e.ndjson.gz", zipped(t, eventA+"\n", eventB+"\n"), "ä 1|b 2"},
		{"gzip of UTF-16", "e.gz", zipped(t, utf16Of(both, true)), "ä 1|b 2"},
		{"gzip of a JSON array", "e.json.gz", zipped(t, "["+eventA+",\n"+eventB+"]"), "ä 1|b 2"},
		{"an array", "e.ndjson", "[\n" + eventA + ",\n" + eventB + "\n]", "ä 2|b 3"},
		{"a batch", "e.ndjson", "{ \"events\" :\n[" + eventA + ",\n" + eventB + "]}", "ä 2|b 3"},
		{"pretty-printed", "e.ndjson", pretty, "ä 1"},
		{"pretty-printed documents", "e.ndjson", pretty + "\n" + pretty + "\n" + eventB, "ä 1|ä 5|b 9"},
		{"pretty-printed after a line", "e.ndjson", eventB + "\n" + pretty + "\n", "b 1|ä 2"},
		{"concatenated documents", "e.ndjson", eventA + eventB + " " + eventA, "ä 1|b 1|ä 1"},
		{"concatenated pretty documents", "e.ndjson", pretty + pretty + "\n" + eventB, "ä 1|ä 4|b 8"},
		{"arrays after a line", "e.ndjson", eventB + "\n[" + eventA + ",\n" + eventB + "]\n" + eventA, "b 1|ä 2|b 3|ä 4"},
		{"a batch after a line", "e.ndjson", eventB + "\n{\"events\": [\n" + eventA + "\n]}", "b 1|ä 3"},
		{"nothing", "e.ndjson", "", ""},
		{"only empty lines", "e.ndjson", "\n\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(send.Input{Name: tt.file, Format: "auto"}, strings.NewReader(tt.text)); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if got := read(send.Input{Name: tt.file, Format: "auto"}, slow{strings.NewReader(tt.text)}); got != tt.want {
				t.Errorf("byte by byte: %q, want %q", got, tt.want)
			}
		})
	}
}

// slow returns one byte per read.
type slow struct{ r io.Reader }

func (s slow) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), 1)]) }

// TestInputMistakes rejects only the invalid lines, or the whole input with its line
// and a fix.
func TestInputMistakes(t *testing.T) {
	long := `{"userId":"` + strings.Repeat("x", 200<<10) + `"}`
	gz := zipped(t, strings.Repeat(eventA+"\n", 2000))
	for _, tt := range []struct{ name, text, want string }{
		{"a broken line", eventA + "\nnonsense\n" + eventB, "ä 1|bad 2: not JSON: *|b 3"},
		{"a truncated line", eventA + "\n{\"userId\":\"a\n" + eventB, "ä 1|bad 2: not JSON: *|b 3"},
		{"a truncated line before an empty one", "{\"userId\":\n\n" + eventA, "bad 1: not JSON: *|ä 3"},
		{"a line truncated after a colon", "{\"userId\":\n" + eventA + "\n" + eventB, "bad 1: not JSON: *|ä 2|b 3"},
		{"a truncated last line", eventA + "\n{\"userId\":", "ä 1|bad 2: not JSON: the input ends in the middle of a document"},
		{"a broken pretty document", "{\n  \"userId\": \"a\"\n  \"eventType\": 1\n}\n" + eventB, "bad 1: not JSON: * (lines 1 to 4)|b 5"},
		{"a long line", eventA + "\n" + long + "\n" + eventB, "ä 1|bad 2: longer than 131072 bytes|b 3"},
		{"a NUL byte", eventA + "\n{\"userId\":\"\x00\"}\n" + eventB, "ä 1|bad 2: *|b 3"},
		{"a missing field", eventA + "\n{\"userId\":\"a\"}\n" + eventB, "ä 1|bad 2: eventType: *|b 3"},
		{"a number", eventA + "\n3\n" + eventB, "ä 1|bad 2: *|b 3"},
		{"CSV", "userId,eventType\na,b\n", "error read e.ndjson: line 1: not JSON: it looks like CSV; want JSON, one event per line"},
		{"CSV after empty lines", "\n\nuserId;eventType\n", "error read e.ndjson: line 3: not JSON: it looks like CSV; *"},
		{"XML", "<html>", "error read e.ndjson: line 1: not JSON: it looks like XML or HTML; *"},
		{"prose", "hello there", "error read e.ndjson: line 1: not JSON: it begins with \"hello there\"; *"},
		{"UTF-16 without a mark", "{\x00\"\x00u\x00", "error read e.ndjson: line 1: NUL bytes: UTF-16 without a byte-order mark*"},
		{"UTF-16, odd", utf16Of(eventA+"\n"+eventB, true) + "x", "ä 1|error read e.ndjson: line 2: invalid UTF-16: an odd number of bytes"},
		{"UTF-32", "\xff\xfe\x00\x00{\x00\x00\x00", "error read e.ndjson: the content is UTF-32*"},
		{"zip", "PK\x03\x04", "error read e.ndjson: the content is a zip archive*"},
		{"zstd", "\x28\xb5\x2f\xfd", "error read e.ndjson: the content is zstd*"},
		{"gzip twice", zipped(t, zipped(t, eventA)), "error read e.ndjson: the content is compressed twice with gzip"},
		{"truncated gzip header", gz[:5], "error read e.ndjson: decompress gzip: the file ends in the middle*"},
		{"truncated gzip", gz[:len(gz)-9], "*|error read e.ndjson: line *: decompress gzip: the file ends in the middle of the compressed data: it is truncated"},
		{"damaged gzip", gz[:len(gz)-6] + "xxxxxx", "*|error read e.ndjson: line *: decompress gzip: *"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := read(send.Input{Name: "e.ndjson", Format: "auto"}, strings.NewReader(tt.text))
			if !like(got, tt.want) {
				t.Errorf("%.500q, want %q", got, tt.want)
			}
		})
	}
}

// like compares with a pattern in which * matches any text.
func like(text, pattern string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	if !star {
		return text == ""
	}
	for i := range len(text) + 1 {
		if like(text[i:], rest) {
			return true
		}
	}
	return false
}

func TestInputFromLine(t *testing.T) {
	for name, text := range map[string]string{"e.ndjson": eventA + "\n\n" + eventB + "\n" + eventA, "e.json": "[" + eventA + ",\n\n" + eventB + ",\n" + eventA + "]"} {
		if got := read(send.Input{Name: name, FromLine: 2}, strings.NewReader(text)); got != "b 3|ä 4" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// FuzzOpen reads anything: it ends, with lines that count up.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(eventA + "\n" + pretty + "\n{"))
	f.Add([]byte(utf16Of(eventA, true)))
	f.Add([]byte("{\n[\n{\"userId\":1}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := send.Open(bytes.NewReader(text), send.Input{Name: "e", Format: "auto"})
		if err != nil || bytes.HasPrefix(text, []byte{0x1f, 0x8b}) { // whose lines are not those of text
			return
		}
		last, n := 0, 0
		for {
			item, err := s.Next()
			line := item.Line
			var bad *send.BadError
			if errors.As(err, &bad) {
				line = bad.Line
			} else if err != nil {
				return
			}
			if line < last || line > bytes.Count(text, []byte{'\n'})+1 {
				t.Fatalf("line %d after %d", line, last)
			}
			last, n = line, n+1
			if n > len(text)+1 {
				t.Fatal("it does not end")
			}
		}
	})
}

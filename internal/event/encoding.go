package event

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/pattern"
)

// shapes ends a message with the forms that a body may have.
const shapes = `send an event, an array of events, or {"events": [...]}`

// notJSON explains a body that is not a JSON text: empty, in another
// encoding or format. It is "" for a body that may be JSON with an error in it.
func notJSON(body []byte) string {
	text := bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return "the body is empty: " + shapes
	case len(text) == 0:
		return "the body is empty apart from white space: " + shapes
	}
	if detail := otherEncoding(body); detail != "" {
		return detail
	}
	if c := text[0]; c == '{' || c == '[' {
		if bytes.HasPrefix(text, []byte("[object ")) {
			return "the body is " + string(text[:min(len(text), 15)]) + ", a JavaScript object that was not encoded: send JSON.stringify(object)"
		}
		return ""
	}
	if detail := compressed(body); detail != "" {
		return detail
	}
	return otherFormat(text)
}

// otherEncoding recognizes Unicode encodings other than UTF-8, by their byte
// order mark or by where the zeros of ASCII characters are.
func otherEncoding(body []byte) string {
	begins := func(prefix string) bool { return bytes.HasPrefix(body, []byte(prefix)) }
	const convert = ": convert it to UTF-8 without a byte order mark"
	zero := func(i int) bool { return i < len(body) && body[i] == 0 }
	set := func(i int) bool { return i < len(body) && body[i] != 0 }
	switch {
	case begins("\xef\xbb\xbf"):
		return "the body begins with a byte order mark (BOM, the bytes EF BB BF): send UTF-8 without it"
	case begins("\xff\xfe\x00\x00"), begins("\x00\x00\xfe\xff"), set(0) && zero(1) && zero(2) && zero(3), zero(0) && zero(1) && zero(2) && set(3):
		return "the body is in UTF-32" + convert
	case begins("\xff\xfe"), begins("\xfe\xff"), set(0) && zero(1) && set(2) && zero(3), zero(0) && set(1) && zero(2) && set(3):
		return "the body is in UTF-16" + convert
	case begins("+/v"):
		return "the body is in UTF-7" + convert
	}
	return ""
}

// compressed recognizes compressed data that isn't gzip, and gzip that went
// through a conversion to text.
func compressed(body []byte) string {
	begins := func(prefix string) bool { return bytes.HasPrefix(body, []byte(prefix)) }
	const use = ": compress with gzip, or send the body as it is"
	switch {
	case begins("\x1f\ufffd"), begins("\x1f\xc2\x8b"):
		return "the body was gzip and was damaged by a conversion to text: send its bytes"
	case len(body) > 2 && body[0] == 0x78 && (int(body[0])<<8|int(body[1]))%31 == 0 && !utf8.Valid(body):
		return "the body is zlib data (deflate) without Content-Encoding: deflate: set the header, or use gzip"
	case begins("\x28\xb5\x2f\xfd"):
		return "the body is compressed with zstd" + use
	case begins("PK\x03\x04"):
		return "the body is a ZIP archive" + use
	case begins("BZh"):
		return "the body is compressed with bzip2" + use
	case begins("\xfd7zXZ"):
		return "the body is compressed with xz" + use
	}
	return ""
}

var (
	form    = pattern.New(`^[A-Za-z0-9_.%+\-\[\]]+=`)
	encoded = pattern.New(`^[A-Za-z0-9+/_\-\r\n]{16,}={0,2}$`)
	word    = pattern.New(`^[A-Za-z_$][A-Za-z0-9_$]*`)
	yaml    = pattern.New(`(?s)^(---\s|- |[A-Za-z_]+:(\s|$))`)
)

// otherFormat explains a text that begins with neither { nor [.
func otherFormat(text []byte) string {
	begins := func(prefix string) bool { return bytes.HasPrefix(text, []byte(prefix)) }
	name := string(word.Find(text))
	whole := len(name) == len(text)
	switch {
	case !utf8.Valid(text) && text[0] != '"':
		return "the body is not text in UTF-8: " + shapes
	case whole && (name == "null" || name == "true" || name == "false"):
		return "the body is " + name + ": " + shapes
	case whole && (name == "undefined" || name == "None" || name == "NaN" || name == "Infinity"):
		return "the body is " + name + ", which is not JSON: " + shapes
	case begins("<"):
		return "the body is XML or HTML, not JSON: " + shapes
	case begins("--") && bytes.Contains(text, []byte("Content-Disposition")):
		return "the body is a multipart form, not JSON: " + shapes
	case begins("%7B") || begins("%7b") || begins("%5B") || begins("%5b"):
		return "the body is JSON in percent encoding: send it without the encoding"
	case begins(`'`):
		return "the body begins with a single quote: JSON uses double quotes, and a command line of Windows passes single quotes on"
	case begins("@"):
		return "the body is " + strconv.Quote(shorten(string(text))) + ", which looks like the name of a file: send the file's content (curl --data-binary @file)"
	case begins("\x1e"):
		return "the body is a JSON text sequence: send the events as an array, [{...}, {...}]"
	case begins("//"), begins("/*"), begins("#"):
		return "the body begins with a comment, and JSON has none: " + shapes
	case begins(`"`):
		return stringBody(text)
	case isBase64(text):
		return "the body is base64 and holds JSON or gzip: send what it holds"
	case form.Match(text):
		return "the body is a form (name=value), not JSON: " + shapes
	case jsontext.Value(text).Kind() == '0' && jsontext.Value(text).IsValid():
		return "the body is a number: " + shapes
	case yaml.Match(text):
		return "the body looks like YAML, not JSON: " + shapes
	}
	return "the body is not JSON, it begins with " + strconv.Quote(shorten(firstWord(text))) + ": " + shapes
}

// stringBody explains a body that begins with a quote: a string, which often
// holds JSON that was encoded twice, or members without braces.
func stringBody(text []byte) string {
	end, _ := stringEnd(text, 0)
	inside := bytes.TrimLeft(text[1:], " ")
	switch {
	case bytes.HasPrefix(inside, []byte(`{\"`)), bytes.HasPrefix(inside, []byte(`[{\"`)), bytes.HasPrefix(inside, []byte(`[\"`)):
		return "the body is a string that holds JSON: it was encoded twice; send the JSON itself"
	case end+1 < len(text) && bytes.HasPrefix(bytes.TrimSpace(text[end+1:]), []byte(":")):
		return "the body begins with a member, without the { of its object: " + shapes
	}
	return "the body is a string: " + shapes
}

// isBase64 reports whether a text is base64 of JSON or gzip.
func isBase64(text []byte) bool {
	if !encoded.Match(text) {
		return false
	}
	clean := strings.NewReplacer("\r", "", "\n", "", "-", "+", "_", "/", "=", "").Replace(string(text))
	out, err := base64.RawStdEncoding.DecodeString(clean)
	out = bytes.TrimSpace(out)
	return err == nil && len(out) > 0 && (out[0] == '{' || out[0] == '[' || bytes.HasPrefix(out, []byte{0x1f, 0x8b}))
}

// firstWord is the text up to a space, at most 20 bytes.
func firstWord(text []byte) string {
	first := text[:min(len(text), 20)]
	if i := bytes.IndexAny(first, " \t\r\n"); i > 0 {
		first = first[:i]
	}
	return strings.ToValidUTF8(string(first), "")
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

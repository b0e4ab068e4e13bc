package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// lenient accepts duplicate names and invalid UTF-8, which concern one event of a
// batch: Decode rejects that event.
func lenient() []jsontext.Options {
	return []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}
}

// explain returns the problem of a body that isn't one JSON object or array, with a
// fix; "" for a valid one.
func explain(body []byte) string {
	if detail := notJSON(body); detail != "" {
		return detail
	}
	start := len(body) - len(bytes.TrimLeftFunc(body, isSpace))
	text := bytes.TrimSpace(body)
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), lenient()...)
	_, err := dec.ReadValue()
	if err == nil {
		end := int(dec.InputOffset())
		return follows(body, text, start+end, text[end:])
	}
	var syntactic *jsontext.SyntacticError
	if !errors.As(err, &syntactic) {
		return "the body is not JSON: " + err.Error()
	}
	at := int(syntactic.ByteOffset)
	if errors.Is(err, io.ErrUnexpectedEOF) || at >= len(text) {
		return "the body is cut off: it ends inside " + inside(text) + " after " + strconv.Itoa(len(body)) + " bytes; send it as a whole"
	}
	what := mistake(text, at)
	if what == "" {
		what = syntactic.Err.Error()
	}
	return "the body is not JSON" + place(body, start+at) + ": " + what
}

// place describes the position of a byte, counted from 0, with line and column if there
// are several lines.
func place(body []byte, at int) string {
	before := body[:at]
	if !bytes.ContainsRune(before, '\n') {
		return " at byte " + strconv.Itoa(at)
	}
	line := bytes.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf(" at byte %d (line %d, column %d)", at, bytes.Count(before, []byte("\n"))+1, utf8.RuneCount(before[line:])+1)
}

// follows explains the text after the end of the first value.
func follows(body, text []byte, at int, rest []byte) string {
	next := bytes.TrimSpace(rest)
	if len(next) == 0 {
		return ""
	}
	at += len(rest) - len(bytes.TrimLeftFunc(rest, isSpace))
	const array = ": send the events as an array, [{...}, {...}]"
	switch c := next[0]; {
	case c == '{' || c == '[':
		if bytes.ContainsRune(rest[:len(rest)-len(bytes.TrimLeftFunc(rest, isSpace))], '\n') {
			return "the body has several JSON values, one per line (NDJSON)" + array
		}
		return "the body has a second JSON value" + place(body, at) + array
	case c == ',' && text[0] == '{':
		return "the body is a list without brackets" + array
	case c == 0x1e:
		return "the body is a JSON text sequence" + array
	case len(bytes.Trim(next, "\x00")) == 0:
		return "the body ends with " + strconv.Itoa(len(next)) + " NUL byte(s): send the text without them"
	case c == '}' || c == ']':
		return "the body has one closing " + string(c) + " too many" + place(body, at) + ": remove it"
	}
	return "there is text after the end of the JSON value" + place(body, at) + ": send the value alone"
}

// inside describes the place where a text is truncated.
func inside(text []byte) string {
	var open []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			end, _ := stringEnd(text, i)
			if end >= len(text) {
				return "a string"
			}
			i = end
		case '{', '[':
			open = append(open, c)
		case '}', ']':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		}
	}
	if len(open) > 0 && open[len(open)-1] == '[' {
		return "an array"
	}
	return "an object"
}

// mistake describes the mistake at a byte that JSON doesn't allow there; "" for an
// unusual one.
func mistake(text []byte, at int) string {
	rest := text[at:]
	r, _ := utf8.DecodeRune(rest)
	before := bytes.TrimRight(text[:at], " \t\r\n")
	last := before[max(0, len(before)-1):]
	after := func(chars string) bool { return len(last) == 1 && strings.Contains(chars, string(last)) }
	switch {
	case r == '\'':
		return "a single quote where JSON wants double quotes"
	case (r == '}' || r == ']') && after(","):
		return "a trailing comma before " + string(r) + ": remove it"
	case r == ',' && after(",[{:"):
		return "a comma without a value before it: remove it"
	case strings.HasPrefix(string(rest), "//"), strings.HasPrefix(string(rest), "/*"), r == '#':
		return "a comment, and JSON has none: remove it"
	case r == '\\':
		return "the escape " + strings.ToValidUTF8(string(rest[:min(len(rest), 2)]), "?") + ", which JSON doesn't have: write a backslash as \\\\"
	case r < ' ' && insideString(text, at):
		return fmt.Sprintf("a control character in a string: write it as \\u%04x", r)
	case r < ' ' || r == 0x7f:
		return fmt.Sprintf("the control character U+%04X between values: remove it", r)
	}
	if detail := badNumber(text, at); detail != "" {
		return detail
	}
	if detail := badWord(text, at); detail != "" {
		return detail
	}
	switch {
	case strings.ContainsRune("“”„‟«»‘’", r):
		return "a typographic quote where JSON wants \""
	case r == 0xfeff, r == 0xa0, r >= 0x2000 && r <= 0x200f, r == 0x2028, r == 0x2029, r == 0x3000:
		return fmt.Sprintf("U+%04X, which is not white space in JSON: remove it", r)
	case r == '=':
		return "a = where JSON wants a :"
	case r == ';':
		return "a ; where JSON wants a ,"
	case r == '`':
		return "a backquote where JSON wants double quotes"
	case (r == '"' || r == '{' || r == '[' || r == '-' || r < utf8.RuneSelf && digit(byte(r))) && !after(",:[{"):
		return "a value without a comma or colon before it"
	case (r == '}' || r == ']') && after("-"):
		return "a minus sign without a number"
	case r == '}' || r == ']':
		return "a closing " + string(r) + " without an opening one, or a value is missing before it"
	}
	return ""
}

// badWord explains a word that is not a JSON value, or a name without quotes; at may
// lie inside it or at its end. It returns "" if there is no word.
func badWord(text []byte, at int) string {
	start := at
	for start > 0 && isLetter(text[start-1]) {
		start--
	}
	begin := bytes.TrimLeft(text[start:], "+-")
	token := string(word.Find(begin))
	if token == "" {
		return ""
	}
	before := bytes.TrimRight(text[:start], " \t\r\n")
	if len(before) > 0 && strings.ContainsRune("{,", rune(before[len(before)-1])) && bytes.HasPrefix(bytes.TrimSpace(begin[len(token):]), []byte(":")) {
		return "the name " + shorten(token) + " without double quotes"
	}
	switch strings.ToLower(token) {
	case "nan", "infinity", "inf":
		return token + ", which is not a JSON number: leave the property out, or send null"
	case "undefined", "none", "nil":
		return token + ", which is not a JSON value: leave the property out, or send null"
	case "true", "false", "null":
		return token + ", which JSON writes as " + strings.ToLower(token)
	}
	return "the word " + shorten(token) + " without double quotes"
}

// badNumber explains a number in a form that JSON doesn't allow. at may lie inside it.
func badNumber(text []byte, at int) string {
	start := at
	for start > 0 && (isNumber(text[start-1]) || text[start-1]|0x20 == 'x') {
		start--
	}
	end := at
	for end < len(text) && (isNumber(text[end]) || text[end] == '_' || text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z') {
		end++
	}
	number := string(text[start:end])
	if start > 0 && (isLetter(text[start-1]) || text[start-1] == '"') || insideString(text, at) || !strings.ContainsAny(number, "0123456789") || !isNumber(text[start]) {
		return ""
	}
	const write = ": write it in decimal digits, such as 12.5 or 1e3"
	digits := strings.TrimLeft(number, "+-")
	c := byte(0)
	if at < len(text) {
		c = text[at]
	}
	switch {
	case strings.HasPrefix(number, "+"):
		return "a number with a leading +: remove the +"
	case len(digits) > 1 && digits[0] == '0' && strings.ContainsRune("xXbBoO", rune(digits[1])):
		return "the number " + shorten(number) + " in another base" + write
	case len(digits) > 1 && digits[0] == '0' && digit(digits[1]):
		return "the number " + shorten(number) + " with leading zeros" + write
	case strings.HasPrefix(digits, "."), strings.HasSuffix(digits, "."), strings.Contains(digits, ".e"), strings.Contains(digits, ".E"):
		return "the number " + shorten(number) + " without a digit beside its point" + write
	case start < at && (isNumber(c) || isLetter(c)), strings.ContainsRune("eE+-", rune(number[len(number)-1])):
		return "the number " + shorten(number) + " in a form that JSON doesn't have" + write
	}
	return ""
}

// insideString reports whether a byte lies between the quotes of a string.
func insideString(text []byte, at int) bool {
	for i := 0; i < at; i++ {
		if text[i] == '"' {
			end, _ := stringEnd(text, i)
			if at <= end {
				return at < end || end == len(text)
			}
			i = end
		}
	}
	return false
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '$' }

func isSpace(r rune) bool { return strings.ContainsRune(" \t\r\n\v\f\u0085\u00a0", r) }

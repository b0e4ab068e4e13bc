package event

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// scan looks for what JSON allows and an event doesn't: too deep, too many
// members, \u0000, numbers that the warehouse can't hold. raw is valid JSON.
func scan(raw []byte) (FieldError, bool) {
	depth, keys := 0, 0
	wrong := func(at int, detail string) (FieldError, bool) {
		return FieldError{Field: fieldAt(raw, int64(at)), Detail: detail}, true
	}
	tooMuch := func(at int, detail string) (FieldError, bool) {
		field, _, _ := strings.Cut(fieldAt(raw, int64(at)), ".")
		return FieldError{Field: field, Detail: detail}, true
	}
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			end, nul := stringEnd(raw, i)
			if nul {
				return wrong(i, `must not hold \u0000, which PostgreSQL can't store`)
			}
			i = end
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return tooMuch(i, "must not nest deeper than "+strconv.Itoa(MaxDepth)+", the event itself included")
			}
		case c == '}' || c == ']':
			depth--
		case c == ':' && depth > 1:
			// The event's own members don't count: on its way it gets more.
			if keys++; keys > MaxKeys {
				return tooMuch(i, "must not have more than "+strconv.Itoa(MaxKeys)+" members, at all depths together")
			}
		case c == '-' || c >= '0' && c <= '9':
			end := i
			for end < len(raw) && isNumber(raw[end]) {
				end++
			}
			if !fits(raw[i:end]) {
				return wrong(i, "is a number that is too large or too long: write at most "+strconv.Itoa(MaxNumberBytes)+
					" characters and an exponent within ±"+strconv.Itoa(MaxExponent))
			}
			i = end - 1
		}
	}
	return FieldError{}, false
}

// fieldAt names the field whose name or value begins at a byte of valid JSON.
func fieldAt(raw []byte, at int64) string {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	for dec.InputOffset() <= at {
		if _, err := dec.ReadToken(); err != nil {
			return ""
		}
	}
	return fieldOf(dec.StackPointer())
}

// stringEnd gives the index of the closing quote of the string that begins at
// start, and whether \u0000 is in it.
func stringEnd(raw []byte, start int) (end int, nul bool) {
	for i := start + 1; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			return i, nul
		case '\\':
			nul = nul || bytes.HasPrefix(raw[i:], []byte(`\u0000`))
			i++
		}
	}
	return len(raw), nul
}

func isNumber(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

func fits(number []byte) bool {
	if len(number) > MaxNumberBytes {
		return false
	}
	i := bytes.IndexAny(number, "eE")
	if i < 0 {
		return true
	}
	exponent, err := strconv.Atoi(string(number[i+1:]))
	return err == nil && exponent >= -MaxExponent && exponent <= MaxExponent
}

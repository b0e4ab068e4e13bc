package event

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// scan finds values that JSON allows and an event doesn't: too deep, too many members,
// \u0000, numbers that the warehouse can't store. raw is valid JSON.
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
			// The event's own members don't count: ingest adds more.
			if keys++; keys > MaxKeys {
				return tooMuch(i, "must not have more than "+strconv.Itoa(MaxKeys)+" members, at all depths together")
			}
		case c == '-' || c >= '0' && c <= '9':
			end := i
			for end < len(raw) && isNumber(raw[end]) {
				end++
			}
			if detail := checkNumber(raw[i:end]); detail != "" {
				return wrong(i, detail)
			}
			i = end - 1
		}
	}
	return FieldError{}, false
}

// fieldAt returns the path of the field whose name or value starts at a byte of valid
// JSON.
func fieldAt(raw []byte, at int64) string {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	for dec.InputOffset() <= at {
		if _, err := dec.ReadToken(); err != nil {
			return ""
		}
	}
	return fieldOf(dec.StackPointer())
}

// stringEnd returns the index of the closing quote of the string that starts at start,
// and whether the string contains \u0000.
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

// checkNumber returns the problem of a JSON number, or "". PostgreSQL must be able to
// cast it to float8: it must be finite, and zero only if it is written as zero.
func checkNumber(number []byte) string {
	if len(number) > MaxNumberBytes {
		return "is a number of " + strconv.Itoa(len(number)) + " characters: write at most " + strconv.Itoa(MaxNumberBytes) + ", or send it as text"
	}
	i := bytes.IndexAny(number, "eE")
	if i < 0 {
		return "" // MaxNumberBytes digits are in the range
	}
	value, err := strconv.ParseFloat(string(number), 64)
	exponent, exponentErr := strconv.Atoi(string(number[i+1:]))
	switch {
	case err != nil && exponent >= 0, exponentErr != nil && number[i+1] != '-' && bytes.ContainsAny(number[:i], "123456789"):
		return "is a number that is too large for a double: write one within ±1.7976931348623157e308, or send it as text"
	case value == 0 && bytes.ContainsAny(number[:i], "123456789"):
		return "is a number that is too close to zero for a double: write 0 or one of at least ±5e-324, or send it as text"
	case err != nil || exponentErr != nil || exponent < -MaxExponent || exponent > MaxExponent:
		return "is a number with an exponent outside ±" + strconv.Itoa(MaxExponent) + ": write it with a smaller one"
	}
	return ""
}

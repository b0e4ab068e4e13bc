package metric

import (
	"encoding/json"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/decimal"
	"github.com/streamctl/streamctl/internal/event"
)

// Contribution is the addition of one event to one series.
type Contribution struct {
	// Key is the series.
	Key string
	// Dimension is the dimension value; empty for a metric without By.
	Dimension string
	// Value is a decimal number in JSON's form; empty adds only to the count.
	Value string
}

// Of returns the contribution of an event to the metric. key is the metric's Key, whose
// hash is expensive, so that callers compute it once. ok is false for an event of
// another type. An event whose field is missing or not a number contributes to the
// series of skipped events instead.
func (d Definition) Of(key string, e *event.Event) (m Contribution, ok bool) {
	if d.EventType != "" && d.EventType != e.Type {
		return Contribution{}, false
	}
	m.Key = key
	if field := d.Field(); field != "" {
		value := lookUp(e.Properties, field)
		if value.Kind() != '0' {
			return Contribution{Key: SkippedKey(m.Key)}, true
		}
		m.Value = string(value)
	}
	values := make([]string, len(d.By))
	for i, by := range d.By {
		if by == "eventType" {
			values[i] = e.Type
			continue
		}
		values[i] = scalar(lookUp(e.Properties, by))
	}
	m.Dimension = Dimension(values...)
	return m, true
}

// Dimension encodes up to two values as one text: no value as the empty text, one as
// itself, and two as a JSON array, so that no two pairs are equal.
func Dimension(values ...string) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	}
	text, err := json.Marshal(values)
	if err != nil {
		return strings.Join(values, " ") // encoding strings can't fail
	}
	return string(text)
}

// Values decodes a dimension into n values.
func Values(dimension string, n int) []string {
	switch n {
	case 0:
		return nil
	case 1:
		return []string{dimension}
	}
	var values []string
	if err := json.Unmarshal([]byte(dimension), &values); err != nil || len(values) != n {
		// Folded values have lost their fields.
		values = make([]string, n)
		for i := range values {
			values[i] = dimension
		}
	}
	return values
}

// scalar formats a value as a dimension value: text unchanged, numbers in plain digits,
// true and false, anything else as the empty text.
func scalar(v jsontext.Value) string {
	switch v.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return ""
		}
		return string(text)
	case '0':
		return plainNumber(string(v))
	case 't', 'f':
		return string(v)
	}
	return ""
}

// plainNumber formats a number without exponent and needless digits, so that equal
// numbers are one value, also after PostgreSQL stored them.
func plainNumber(number string) string {
	d, err := decimal.ParseJSON(number)
	if err != nil {
		return number
	}
	return d.String()
}

// lookUp returns the field at a path below properties, or nil. properties is valid JSON
// without insignificant white space.
func lookUp(properties jsontext.Value, path string) jsontext.Value {
	at := []byte(properties)
	if strings.Contains(path, `"`) {
		all, err := Names(path)
		if err != nil {
			return nil // Check rejects it
		}
		for _, name := range all {
			if at = member(at, name); at == nil {
				return nil
			}
		}
		return at
	}
	_, rest, _ := strings.Cut(path, ".")
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, ".")
		if at = member(at, name); at == nil {
			return nil
		}
	}
	return at
}

// member returns a member's value in an object.
func member(object []byte, name string) []byte {
	if len(object) < 2 || object[0] != '{' {
		return nil
	}
	for i := 1; i < len(object) && object[i] == '"'; {
		keyEnd := skip(object, i)
		valueEnd := skip(object, keyEnd+1)
		if named(object[i:keyEnd], name) {
			return object[keyEnd+1 : valueEnd]
		}
		i = valueEnd + 1 // past the comma or the closing brace
	}
	return nil
}

// named reports whether a quoted name equals name.
func named(quoted []byte, name string) bool {
	if len(quoted) == len(name)+2 && string(quoted[1:len(quoted)-1]) == name {
		return true
	}
	for _, c := range quoted {
		if c == '\\' { // written with an escape
			text, err := jsontext.AppendUnquote(nil, quoted)
			return err == nil && string(text) == name
		}
	}
	return false
}

// skip returns the end of the value that starts at i.
func skip(text []byte, i int) int {
	depth := 0
	for ; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ':':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// IsNumber reports whether a text is a decimal number in JSON's form, within the limits
// of a number in an event.
func IsNumber(text string) bool {
	v := jsontext.Value(text)
	return len(text) > 0 && len(text) <= event.MaxNumberBytes && v.IsValid() && v.Kind() == '0' && strings.TrimSpace(text) == text
}

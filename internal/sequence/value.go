package sequence

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/decimal"
)

// Kinds of values, the first byte of a Value.
const (
	KindText   = 's'
	KindNumber = 'n'
	KindBool   = 'b'
	KindOther  = 'o' // an object or an array
)

// Value returns a property's value as a text: its kind, and the text itself, the number
// in plain digits, true or false. Objects and arrays have no text. The result is empty
// for null and for a missing property. Equal values give equal texts, before and after
// PostgreSQL stored them.
func Value(v jsontext.Value) string {
	switch v.Kind() {
	case '"':
		text, err := jsontext.AppendUnquote([]byte{KindText}, v)
		if err != nil {
			return string(KindOther)
		}
		return string(text)
	case '0':
		return Number(string(v))
	case 't', 'f':
		return string(KindBool) + string(v)
	case '{', '[':
		return string(KindOther)
	}
	return ""
}

// Number returns the value of a JSON number.
func Number(text string) string {
	d, err := decimal.ParseJSON(text)
	if err != nil {
		return string(KindNumber) + text
	}
	return string(KindNumber) + d.String()
}

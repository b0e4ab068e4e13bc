package api

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Number is a JSON number with all its digits. The zero value is not a number.
type Number string

// String returns the digits.
func (n Number) String() string { return string(n) }

// MarshalJSON returns the digits without quotes.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := jsontext.Value(n); v.Kind() != '0' || !v.IsValid() {
		return nil, fmt.Errorf("encode number: %q is not a JSON number", string(n))
	}
	return []byte(n), nil
}

// UnmarshalJSON accepts a number and nothing else.
func (n *Number) UnmarshalJSON(text []byte) error {
	if jsontext.Value(text).Kind() != '0' {
		return fmt.Errorf("decode number: got %s", text)
	}
	*n = Number(text)
	return nil
}

package query

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/api"
)

// number returns a decimal number as JSON, with all its digits and without
// superfluous zeros, so that cache and warehouse give the same text. It returns
// an empty text for anything else.
func number(text string) api.Number {
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	if v := jsontext.Value(text); v.Kind() == '0' && v.IsValid() {
		return api.Number(text)
	}
	return ""
}

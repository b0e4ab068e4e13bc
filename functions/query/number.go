package query

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/api"
)

// number is a decimal number as JSON, with all its digits and no needless
// zeros: the same from the cache and from the warehouse. It is empty for what is no
// number.
func number(text string) api.Number {
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	if v := jsontext.Value(text); v.Kind() == '0' && v.IsValid() {
		return api.Number(text)
	}
	return ""
}

package query

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/streamctl/streamctl/internal/api"
)

// decimal is an exact decimal number: units times 10 to the power of -places.
type decimal struct {
	units  *big.Int
	places int
}

// parseDecimal reads what PostgreSQL writes for a numeric: digits, with a point
// and a sign perhaps.
func parseDecimal(text string) (decimal, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	units, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return decimal{}, fmt.Errorf("read decimal number %q", shorten(text))
	}
	return decimal{units, len(fraction)}, nil
}

// align gives two numbers with as many places.
func align(a, b decimal) (decimal, decimal) {
	if a.places > b.places {
		b, a = align(b, a)
		return a, b
	}
	if a.places < b.places {
		shift := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(b.places-a.places)), nil)
		a = decimal{shift.Mul(shift, a.units), b.places}
	}
	return a, b
}

func (d decimal) plus(o decimal) decimal {
	d, o = align(d, o)
	return decimal{new(big.Int).Add(d.units, o.units), d.places}
}

func (d decimal) less(o decimal) bool {
	d, o = align(d, o)
	return d.units.Cmp(o.units) < 0
}

func (d decimal) String() string {
	if d.places == 0 {
		return d.units.String()
	}
	text, sign := d.units.String(), ""
	if text[0] == '-' {
		text, sign = text[1:], "-"
	}
	if zeros := d.places + 1 - len(text); zeros > 0 {
		text = strings.Repeat("0", zeros) + text
	}
	point := len(text) - d.places
	return sign + text[:point] + "." + text[point:]
}

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

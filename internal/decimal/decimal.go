// Package decimal adds and compares decimal numbers exactly.
package decimal

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Decimal is an exact decimal number. The zero value is 0. Values are immutable
// and may be copied.
type Decimal struct {
	// The number is units × 10^-places. If big isn't nil, it replaces units.
	units  int64
	big    *big.Int
	places int
}

const (
	// maxSmall is the number of digits that always fit into an int64.
	maxSmall = 18
	// maxExponent limits the digits that an exponent adds. Doubles reach 308.
	maxExponent = 10_000
	// maxQuoted limits how much of a text an error repeats, in bytes.
	maxQuoted = 60
)

var powers = [maxSmall + 1]int64{
	1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000, 100_000_000_000,
	1_000_000_000_000, 10_000_000_000_000, 100_000_000_000_000, 1_000_000_000_000_000, 10_000_000_000_000_000,
	100_000_000_000_000_000, 1_000_000_000_000_000_000,
}

var errNotDecimal = errors.New("not a decimal number")

// Parse parses a number in the format of PostgreSQL's numeric: digits with an
// optional sign and point. An exponent, NaN and Infinity are errors.
func Parse(text string) (Decimal, error) {
	d, err := parse(text)
	if err != nil {
		return Decimal{}, fmt.Errorf("read decimal number %q: %w", shorten(text), err)
	}
	return d, nil
}

// ParseJSON parses a JSON number: like Parse, with an exponent from -10,000 to
// 10,000.
func ParseJSON(text string) (Decimal, error) {
	at := strings.IndexAny(text, "eE")
	if at < 0 {
		return Parse(text)
	}
	d, err := parse(text[:at])
	if err != nil {
		return Decimal{}, fmt.Errorf("read number %q: %w", shorten(text), err)
	}
	exponent, err := strconv.Atoi(text[at+1:])
	if err != nil || exponent > maxExponent || exponent < -maxExponent {
		return Decimal{}, fmt.Errorf("read number %q: the exponent is outside -%d..%d", shorten(text), maxExponent, maxExponent)
	}
	if d.places -= exponent; d.places < 0 {
		d = Decimal{big: scaled(d.bigUnits(), -d.places)}
	}
	return d, nil
}

func parse(text string) (d Decimal, err error) {
	digits, negative := 0, false
	if text != "" && (text[0] == '-' || text[0] == '+') {
		negative, text = text[0] == '-', text[1:]
	}
	point := -1
	for i := range len(text) {
		switch c := text[i]; {
		case c == '.' && point < 0:
			point = i
		case c >= '0' && c <= '9':
			if digits++; digits <= maxSmall {
				d.units = d.units*10 + int64(c-'0')
			}
		default:
			return d, errNotDecimal
		}
	}
	if digits == 0 {
		return d, errNotDecimal
	}
	if point >= 0 {
		d.places = len(text) - point - 1
		if digits > maxSmall {
			text = text[:point] + text[point+1:]
		}
	}
	if digits > maxSmall {
		d.big, _ = new(big.Int).SetString(text, 10) // text contains only digits
	}
	if negative {
		d.units = -d.units
		if d.big != nil {
			d.big.Neg(d.big)
		}
	}
	return d, nil
}

func (d Decimal) bigUnits() *big.Int {
	if d.big != nil {
		return d.big
	}
	return big.NewInt(d.units)
}

// scaled returns n times 10^zeros.
func scaled(n *big.Int, zeros int) *big.Int {
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(zeros)), nil)
	return power.Mul(power, n)
}

// small returns the units of both numbers scaled to the same number of places,
// if they fit into an int64.
func small(a, b Decimal) (x, y int64, places int, ok bool) {
	if a.big != nil || b.big != nil {
		return 0, 0, 0, false
	}
	x, y, places = a.units, b.units, max(a.places, b.places)
	if x, ok = shift(x, places-a.places); !ok {
		return 0, 0, 0, false
	}
	y, ok = shift(y, places-b.places)
	return x, y, places, ok
}

func shift(units int64, zeros int) (int64, bool) {
	if zeros == 0 {
		return units, true
	}
	if zeros > maxSmall {
		return 0, units == 0
	}
	out := units * powers[zeros]
	return out, out/powers[zeros] == units
}

// aligned returns the units of both numbers scaled to the same number of
// places.
func aligned(a, b Decimal) (x, y *big.Int, places int) {
	x, y, places = a.bigUnits(), b.bigUnits(), max(a.places, b.places)
	if n := places - a.places; n > 0 {
		x = scaled(x, n)
	}
	if n := places - b.places; n > 0 {
		y = scaled(y, n)
	}
	return x, y, places
}

// Add returns the sum of two numbers.
func (d Decimal) Add(o Decimal) Decimal {
	if x, y, places, ok := small(d, o); ok {
		if sum := x + y; (sum > x) == (y > 0) { // no overflow
			return Decimal{units: sum, places: places}
		}
	}
	x, y, places := aligned(d, o)
	return Decimal{big: new(big.Int).Add(x, y), places: places}
}

// Cmp returns -1, 0 or 1 if d is less than, equal to or greater than o.
func (d Decimal) Cmp(o Decimal) int {
	if x, y, _, ok := small(d, o); ok {
		return cmp.Compare(x, y)
	}
	x, y, _ := aligned(d, o)
	return x.Cmp(y)
}

// String returns the number in plain digits, without an exponent and without
// trailing zeros in the fraction.
func (d Decimal) String() string {
	var room [24]byte
	var text []byte
	if d.big != nil {
		text = d.big.Append(room[:0], 10)
	} else {
		text = strconv.AppendInt(room[:0], d.units, 10)
	}
	if d.places == 0 {
		return string(text)
	}
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	places := d.places
	for places > 0 && len(text) > 1 && text[len(text)-1] == '0' {
		text, places = text[:len(text)-1], places-1
	}
	if len(text) == 1 && text[0] == '0' {
		return "0"
	}
	var b strings.Builder
	if negative {
		b.WriteByte('-')
	}
	switch whole := len(text) - places; {
	case places == 0:
		b.Write(text)
	case whole > 0:
		b.Write(text[:whole])
		b.WriteByte('.')
		b.Write(text[whole:])
	default:
		b.WriteString("0.")
		b.WriteString(strings.Repeat("0", -whole))
		b.Write(text)
	}
	return b.String()
}

func shorten(text string) string {
	if len(text) <= maxQuoted {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuoted], "") + "…"
}

// Times returns d multiplied by n.
func (d Decimal) Times(n int64) Decimal {
	return Decimal{big: new(big.Int).Mul(d.bigUnits(), big.NewInt(n)), places: d.places}
}

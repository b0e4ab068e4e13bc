package warehouse

import (
	"cmp"
	"fmt"
	"math/big"
)

// add adds another measure of the same key.
func (m *Measure) add(o Measure) error {
	m.N += o.N
	sum, err := decimal(m.Sum)
	if err != nil {
		return err
	}
	more, err := decimal(o.Sum)
	if err != nil {
		return err
	}
	m.Sum = plain(sum.Add(sum, more))
	if m.Min, err = extreme(m.Min, o.Min, -1); err != nil {
		return err
	}
	m.Max, err = extreme(m.Max, o.Max, 1)
	return err
}

// extreme gives the smaller (-1) or larger (1) of two numbers; the empty text
// is none.
func extreme(a, b string, sign int) (string, error) {
	if a == "" || b == "" {
		return a + b, nil
	}
	if x, ok := smallDecimal(a); ok {
		if y, ok := smallDecimal(b); ok {
			if cmp.Compare(y, x) == sign {
				return b, nil
			}
			return a, nil
		}
	}
	x, err := decimal(a)
	if err != nil {
		return "", err
	}
	y, err := decimal(b)
	if err != nil {
		return "", err
	}
	if y.Cmp(x) == sign {
		return b, nil
	}
	return a, nil
}

func decimal(s string) (*big.Rat, error) {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, fmt.Errorf("read decimal number %q", s)
	}
	return r, nil
}

// plain writes a decimal number without exponent, exactly: its denominator has
// the prime factors 2 and 5 alone.
func plain(r *big.Rat) string {
	digits, exact := r.FloatPrec()
	if !exact {
		return r.RatString()
	}
	return r.FloatString(digits)
}

package warehouse

import "github.com/streamctl/streamctl/internal/decimal"

// add adds another delta with the same key.
func (m *RollupDelta) add(o RollupDelta) error {
	m.N += o.N
	sum, err := decimal.ParseJSON(m.Sum)
	if err != nil {
		return err
	}
	more, err := decimal.ParseJSON(o.Sum)
	if err != nil {
		return err
	}
	m.Sum = sum.Add(more).String()
	if m.Min, err = extreme(m.Min, o.Min, -1); err != nil {
		return err
	}
	m.Max, err = extreme(m.Max, o.Max, 1)
	return err
}

// extreme returns the smaller (sign -1) or larger (sign 1) of two numbers,
// unchanged. An empty text is a missing number.
func extreme(a, b string, sign int) (string, error) {
	if a == "" || b == "" {
		return a + b, nil
	}
	x, err := decimal.ParseJSON(a)
	if err != nil {
		return "", err
	}
	y, err := decimal.ParseJSON(b)
	if err != nil {
		return "", err
	}
	if y.Cmp(x) == sign {
		return b, nil
	}
	return a, nil
}

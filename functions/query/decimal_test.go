package query

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestDecimals(t *testing.T) {
	const seed = 1
	random := rand.New(rand.NewPCG(seed, 0))
	digits := func(n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = byte('0' + random.IntN(10))
		}
		return string(text)
	}
	next := func() string {
		text := strings.TrimLeft(digits(random.IntN(30)), "0")
		if text == "" {
			text = "0"
		}
		if random.IntN(2) == 0 {
			text += "." + digits(1+random.IntN(20))
		}
		if random.IntN(2) == 0 {
			text = "-" + text
		}
		return text
	}
	for range 10_000 {
		one, two := next(), next()
		a, errA := parseDecimal(one)
		b, errB := parseDecimal(two)
		x, okX := new(big.Rat).SetString(one)
		y, okY := new(big.Rat).SetString(two)
		if errA != nil || errB != nil || !okX || !okY {
			t.Fatalf("%s, %s: %v, %v", one, two, errA, errB)
		}
		sum, ok := new(big.Rat).SetString(a.plus(b).String())
		if !ok || sum.Cmp(new(big.Rat).Add(x, y)) != 0 {
			t.Errorf("%s + %s = %s", one, two, a.plus(b))
		}
		if a.less(b) != (x.Cmp(y) < 0) {
			t.Errorf("%s < %s is %t", one, two, a.less(b))
		}
		if back, ok := new(big.Rat).SetString(string(number(a.String()))); !ok || back.Cmp(x) != 0 {
			t.Errorf("%s became %s, and %s", one, a, number(a.String()))
		}
	}
	for text, want := range map[string]string{
		"0": "0", "0.00": "0", "12.50": "12.5", "100": "100", "-0.010": "-0.01", "-7": "-7", "": "", "NaN": "", "1.": "1", "x": "", `"1"`: "",
		strings.Repeat("9", 401) + ".0": strings.Repeat("9", 401),
	} {
		if got := string(number(text)); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	for _, text := range []string{"", "x", "1.2.3", "NaN", "Infinity", "1e5"} {
		if d, err := parseDecimal(text); err == nil {
			t.Errorf("%q was read as %s", text, d)
		}
	}
}

package decimal_test

import (
	"math/big"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/decimal"
)

func rational(t testing.TB, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is not a number", text)
	}
	return r
}

// TestDecimalsEqualFractions compares sums, order and text with math/big, at
// and around the sizes at which Decimal switches from int64 to big.Int.
func TestDecimalsEqualFractions(t *testing.T) {
	const seed = 1
	random := rand.New(rand.NewPCG(seed, 0))
	digits := func(n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = byte('0' + random.IntN(10))
			if random.IntN(3) == 0 {
				text[i] = "09"[random.IntN(2)]
			}
		}
		return string(text)
	}
	next := func() string {
		text := digits(1 + random.IntN(30))
		if random.IntN(2) == 0 {
			text += "." + digits(1+random.IntN(20))
		}
		if random.IntN(2) == 0 {
			text = "-" + text
		}
		if random.IntN(4) == 0 {
			text += "e" + strconv.Itoa(random.IntN(60)-30)
		}
		return text
	}
	total, exact := decimal.Decimal{}, new(big.Rat)
	for range 20_000 {
		one, two := next(), next()
		a, errA := decimal.ParseJSON(one)
		b, errB := decimal.ParseJSON(two)
		if errA != nil || errB != nil {
			t.Fatalf("%s, %s: %v, %v", one, two, errA, errB)
		}
		x, y := rational(t, one), rational(t, two)
		if sum := a.Add(b).String(); rational(t, sum).Cmp(new(big.Rat).Add(x, y)) != 0 {
			t.Errorf("%s + %s = %s", one, two, sum)
		}
		if a.Cmp(b) != x.Cmp(y) || a.Cmp(a) != 0 {
			t.Errorf("%s compared with %s is %d", one, two, a.Cmp(b))
		}
		n, _ := x.FloatPrec()
		if want := x.FloatString(n); a.String() != want {
			t.Errorf("%s became %s, want %s", one, a, want)
		}
		total, exact = total.Add(a), exact.Add(exact, x)
	}
	if rational(t, total.String()).Cmp(exact) != 0 {
		t.Errorf("the total is %s, want %s", total, exact.FloatString(60))
	}
}

func TestTexts(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "-0": "0", "0.00": "0", "12.50": "12.5", "100": "100", "-0.010": "-0.01", "1.": "1", ".5": "0.5", "00012.0": "12",
		"9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808", "999999999999999999": "999999999999999999",
		strings.Repeat("9", 401) + ".0": strings.Repeat("9", 401),
	} {
		if d, err := decimal.Parse(text); err != nil || d.String() != want {
			t.Errorf("%q became %q, %v; want %q", text, d, err, want)
		}
	}
	for text, want := range map[string]string{"1e5": "100000", "1E+2": "100", "12.5e-3": "0.0125", "-1e0": "-1", "0e10000": "0", "1e-10000": "0." + strings.Repeat("0", 9999) + "1"} {
		if d, err := decimal.ParseJSON(text); err != nil || d.String() != want {
			t.Errorf("%q became %.80q, %v; want %.80q", text, d, err, want)
		}
	}
	for _, text := range []string{"", "-", "+", ".", "x", "1.2.3", "NaN", "Infinity", "1e5", "--1", "1 ", "0x1", "1_000", "1/3", "١"} {
		if d, err := decimal.Parse(text); err == nil {
			t.Errorf("%q was read as %s", text, d)
		}
	}
	for _, text := range []string{"e5", "1e", "1e1.5", "1e10001", "1e-10001", "1e99999999999999999999", "1e5e5"} {
		if d, err := decimal.ParseJSON(text); err == nil {
			t.Errorf("%q was read as %.80s", text, d)
		}
	}
}

func TestSumsLeaveAnInt64(t *testing.T) {
	largest, err := decimal.Parse("999999999999999999")
	if err != nil {
		t.Fatal(err)
	}
	sum := decimal.Decimal{}
	for range 12 {
		sum = sum.Add(largest)
	}
	if sum.String() != "11999999999999999988" {
		t.Error(sum)
	}
}

// FuzzParseJSON accepts the same texts as math/big and gives the same numbers.
func FuzzParseJSON(f *testing.F) {
	for _, text := range []string{"0", "-12.50", "1e-7", "123456789012345678901234567890.5E3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := decimal.ParseJSON(text)
		if err != nil {
			return
		}
		if rational(t, text).Cmp(rational(t, d.String())) != 0 {
			t.Errorf("%q became %s", text, d)
		}
	})
}

package query

import (
	"strings"
	"testing"
)

func TestNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "0.00": "0", "12.50": "12.5", "100": "100", "-0.010": "-0.01", "-7": "-7", "": "", "NaN": "", "1.": "1", "x": "", `"1"`: "",
		strings.Repeat("9", 401) + ".0": strings.Repeat("9", 401),
	} {
		if got := string(number(text)); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

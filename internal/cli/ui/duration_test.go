package ui_test

import (
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "0": 0, "36500d": 36500 * 24 * time.Hour, "-5m": -5 * time.Minute,
	} {
		var d ui.Duration
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %s, %v, want %s", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{"", "d", "7", "7days", "-1d", "1.5d", "1d2d", "36501d", "99999999999999999999d", "1d-5h", "36500d2540400h59m"} {
		var d ui.Duration
		if err := d.Set(text); err == nil {
			t.Errorf("%q: %s", text, time.Duration(d))
		}
	}
}

package ui_test

import (
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/cli/ui"
)

func TestWrap(t *testing.T) {
	const text = "Source: Redis. Includes everything loaded by 13:15:48 UTC."
	for _, width := range []int{10, 20, 40, 100} {
		got := ui.Wrap(text, width)
		if strings.ReplaceAll(got, "\n", " ") != text {
			t.Errorf("%d: %q", width, got)
		}
		for _, line := range strings.Split(got, "\n") {
			if ui.Width(line) > width {
				t.Errorf("%d: %q", width, line)
			}
		}
	}
	if got := ui.Wrap(text, 0); got != text {
		t.Errorf("any width: %q", got)
	}
}

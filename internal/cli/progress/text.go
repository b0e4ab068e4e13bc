package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// color is an SGR parameter; empty means the default color.
type color string

const (
	plain  color = ""
	red    color = "31"
	green  color = "32"
	yellow color = "33"
)

func (c color) paint(text string) string {
	if c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// span formats a duration: 12 s, 3 min 12 s, 1 h 4 min.
func span(d time.Duration) string {
	d = d.Truncate(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour && d%time.Minute == 0:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// clean makes one line of a text from elsewhere. The line can't control the terminal,
// and nothing in it is hidden.
func clean(text string) string {
	return ui.Line(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '\r' }), " "))
}

// cleaned returns an event with clean texts.
func cleaned(e stack.Event) stack.Event {
	for _, text := range []*string{&e.Text, &e.LogicalID, &e.Type, &e.PhysicalID, &e.Status, &e.Reason} {
		*text = clean(*text)
	}
	return e
}

// clip shortens a text to a width.
func clip(text string, width int) string {
	if ui.Width(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	return strings.TrimRight(ui.Head(text, width-1), " ") + "…"
}

// wrap breaks a text into lines of a width; the last of at most limit is clipped.
func wrap(text string, width, limit int) []string {
	var out []string
	for len(out) < limit-1 && ui.Width(text) > width {
		head := ui.Head(text, width+1)
		cut := strings.LastIndexByte(head, ' ')
		if cut <= 0 {
			break
		}
		out, text = append(out, text[:cut]), text[cut+1:]
	}
	return append(out, clip(text, width))
}

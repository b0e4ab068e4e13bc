package progress

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// lines prints one line per event, time first. Unless verbose, it leaves out the start
// of resources; operations that take long are repeated every minute.
type lines struct {
	out     io.Writer
	verbose bool
	quiet   bool // notes only
}

// Line formats an event as one line; empty if it isn't shown.
func Line(e stack.Event, verbose bool) string {
	at := e.Time.Local().Format("15:04:05") + "  "
	switch {
	case e.Kind == stack.KindWaiting:
		return at + "waiting for " + clean(e.Text)
	case e.Kind == stack.KindStep:
		return at + clean(e.Text)
	case !verbose && !e.Failed() && begun(e.Status):
		return ""
	}
	e = cleaned(e)
	line := fmt.Sprintf("%s%s %s %s", at, ui.Pad(e.Status, 26), ui.Pad(e.Type, 38), e.LogicalID)
	if e.Reason != "" && (verbose || e.Failed() || e.Status == "DELETE_SKIPPED") {
		line += "  " + e.Reason
	}
	return line
}

func begun(status string) bool {
	switch status {
	case "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS":
		return true
	}
	return false
}

func (l *lines) event(_ *state, e stack.Event) {
	if l.quiet {
		return
	}
	if line := Line(e, l.verbose); line != "" {
		fmt.Fprintln(l.out, line)
	}
}

func (l *lines) note(_ *state, text string) { fmt.Fprintln(l.out, text) }

func (l *lines) waiting(s *state, now time.Time) {
	if l.quiet {
		return
	}
	fmt.Fprintln(l.out, now.Local().Format("15:04:05")+"  "+s.waitingText(now))
}

func (l *lines) tick(*state, time.Time)  {}
func (l *lines) pause(*state, time.Time) {}

func (l *lines) end(s *state, now time.Time) {
	if text := s.summary(now); len(text) > 0 && !l.quiet {
		fmt.Fprintln(l.out, now.Local().Format("15:04:05")+"  "+strings.Join(text, ";"))
	}
}

package progress

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// screen keeps a tree at the bottom of a terminal. Steps and notes are printed above
// it.
type screen struct {
	out     io.Writer
	size    func() (width, height int)
	color   bool
	verbose bool

	drawn []string // the lines on the screen now
	dirty bool
	at    time.Time // of the last drawing
	// step is the current step: the last line of the tree until the next event moves it
	// above.
	step    string
	stepped time.Time
}

func (c *screen) event(s *state, e stack.Event) {
	c.dirty = true
	switch e.Kind {
	case stack.KindStep:
		c.flushStep()
		c.step, c.stepped = e.Text, e.Time
	case stack.KindResource:
		c.flushStep()
		if c.verbose {
			c.above(Line(e, true))
		}
	}
}

// flushStep prints the step above the tree.
func (c *screen) flushStep() {
	if c.step == "" {
		return
	}
	c.above(c.stepped.Local().Format("15:04:05") + "  " + c.step)
	c.step = ""
}

// above prints a line above the tree.
func (c *screen) above(line string) {
	fmt.Fprint(c.out, c.erase()+line+"\n")
	c.dirty = true
}

func (c *screen) note(_ *state, text string) {
	c.flushStep()
	c.above(text)
}

func (c *screen) waiting(*state, time.Time) {} // it is on the screen

func (c *screen) tick(s *state, now time.Time) {
	// Clocks in the tree move each second, whether something happens or not.
	if !c.dirty && now.Truncate(time.Second).Equal(c.at.Truncate(time.Second)) {
		return
	}
	c.dirty, c.at = false, now
	width, height := c.size()
	rows := s.tree(now, width, height, c.color)
	if text := c.erase() + joined(rows); text != "" {
		fmt.Fprint(c.out, text)
	}
	c.drawn = rows
}

func joined(rows []string) string {
	if len(rows) == 0 {
		return ""
	}
	return strings.Join(rows, "\n") + "\n"
}

// erase returns the sequence that removes the tree. If the window has become narrower,
// it may have wrapped the tree's lines.
func (c *screen) erase() string {
	if len(c.drawn) == 0 {
		return ""
	}
	width, _ := c.size()
	up := 0
	for _, line := range c.drawn {
		up += 1 + max(0, visible(line)-1)/max(1, width)
	}
	c.drawn = nil
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", up)
}

// visible returns the width of a line without its color sequences.
func visible(line string) int {
	n, rest := 0, line
	for {
		from := strings.Index(rest, "\x1b[")
		if from < 0 {
			return n + ui.Width(rest)
		}
		n += ui.Width(rest[:from])
		rest = rest[from+strings.IndexByte(rest[from:], 'm')+1:]
	}
}

func (c *screen) pause(s *state, now time.Time) {
	c.flushStep()
	fmt.Fprint(c.out, c.erase())
	if s.running {
		fmt.Fprintln(c.out, s.headline(now))
	}
	c.dirty = true
}

func (c *screen) end(s *state, now time.Time) {
	c.flushStep()
	fmt.Fprint(c.out, c.erase()+joined(s.summary(now)))
}

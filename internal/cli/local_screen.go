package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local"
)

// screen shows the state of a local platform: a line at the bottom of a terminal that
// is kept up to date; elsewhere the log.
type screen struct {
	out      io.Writer
	verbose  bool
	terminal bool

	mu     sync.Mutex
	line   string // on the screen now
	stop   context.CancelFunc
	closed chan struct{}
}

func newScreen(a *App) *screen {
	_, ok := terminal(a.Stderr)
	return &screen{out: ui.Raw(a.story), verbose: a.flags.verbose, terminal: ok}
}

// handler returns the log's handler: on a terminal, only warnings and errors, above the
// line.
func (s *screen) handler() slog.Handler {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if !s.terminal {
		return slog.NewJSONHandler(ui.JSONWriter(s.out), o)
	}
	if !s.verbose {
		o.Level = slog.LevelWarn
	}
	return slog.NewTextHandler(s, o)
}

// eraseLine erases the line.
const eraseLine = "\r\x1b[K"

// Write writes above the line.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	above := ui.Text(string(text))
	if s.line != "" {
		above = eraseLine + above + s.line
	}
	if _, err := io.WriteString(s.out, above); err != nil {
		return 0, err
	}
	return len(text), nil
}

// refresh is the interval at which the line is redrawn.
const refresh = 500 * time.Millisecond

// begin keeps the line up to date until end.
func (s *screen) begin(ctx context.Context, p *local.Platform) {
	s.closed = make(chan struct{})
	ctx, s.stop = context.WithCancel(ctx)
	if !s.terminal {
		close(s.closed)
		return
	}
	go func() {
		defer close(s.closed)
		tick := time.NewTicker(refresh)
		defer tick.Stop()
		before, at := p.Status(), time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := p.Status()
			s.show(statusLine(before, now, time.Since(at)))
			before, at = now, time.Now()
		}
	}()
}

func (s *screen) show(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = ui.Line(line)
	fmt.Fprint(s.out, eraseLine+s.line)
}

// end removes the line.
func (s *screen) end() {
	s.stop()
	<-s.closed
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != "" {
		fmt.Fprint(s.out, eraseLine)
		s.line = ""
	}
}

// statusLine describes what happened between two statuses. The lag is the age of the
// oldest event that isn't loaded: it grows while nothing is loaded.
func statusLine(before, now local.Status, took time.Duration) string {
	total := func(name string) int64 { return int64(now.Total[name]) }
	rate := (now.Total[contract.MetricAccepted] - before.Total[contract.MetricAccepted]) / max(took.Seconds(), 0.001)
	lag := "-"
	if !now.LagAt.IsZero() && (now.Loading.Unread > 0 || time.Since(now.LagAt) < time.Minute) {
		lag = lagText(now.Lag)
	}
	line := fmt.Sprintf("%s events/s in · %s loaded · %s archived · lag %s", thousands(int64(rate+0.5)), thousands(total(contract.MetricInserted)), thousands(total(contract.MetricArchived)), lag)
	if n := now.Loading.Unread; n > 0 {
		line += fmt.Sprintf(" · %s to load", records(n))
	}
	if c := now.Archiving; c.Age > archiveDelay {
		line += fmt.Sprintf(" · %s to archive for %s", records(c.Unread), lagText(c.Age))
	}
	for _, m := range []struct{ name, what string }{
		{contract.MetricRefused, "refused"}, {contract.MetricUnavailable, "unavailable"}, {contract.MetricDuplicates, "duplicates"},
		{contract.MetricQuarantined, "quarantined"}, {contract.MetricCacheErrors, "Redis errors"},
	} {
		if n := total(m.name); n > 0 {
			line += fmt.Sprintf(" · %s %s", thousands(n), m.what)
		}
	}
	if now.Missing > 0 {
		line += fmt.Sprintf(" · %s missing (damage-*.json in the data folder)", records(now.Missing))
	}
	if now.Failed > 0 {
		line += fmt.Sprintf(" · %s given up (aws/lambda in the archive)", batches(now.Failed))
	}
	if len(now.Failing) > 0 { // the batch that has been failing longest
		line += " · " + now.Failing[0].String()
	}
	for _, t := range now.Troubles {
		line += " · " + t
	}
	return line
}

// archiveDelay is how long records may wait for the archiver, which collects them for
// up to a minute, before the line shows them.
const archiveDelay = 2 * time.Minute

func lagText(d time.Duration) string {
	if d < time.Minute {
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	}
	return d.Round(time.Second).String()
}

func records(n int) string { return plural(n, "record", "records") }

func batches(n int) string { return plural(n, "batch", "batches") }

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(int64(n)) + " " + many
}

// thousands writes a number in groups of three.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

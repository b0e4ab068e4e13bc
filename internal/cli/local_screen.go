package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/funcenv"
	"github.com/streamctl/streamctl/internal/local"
)

// screen shows how a local platform does: a line that is kept up to date where
// a person sits, the log elsewhere.
type screen struct {
	out      io.Writer
	verbose  bool
	terminal bool

	mu     sync.Mutex
	line   string // shown at the moment
	stop   context.CancelFunc
	closed chan struct{}
}

func newScreen(a *App) *screen {
	_, ok := terminal(a.Stderr)
	return &screen{out: a.Stderr, verbose: a.flags.verbose, terminal: ok}
}

// handler is the log's: for people only what went wrong, above the line.
func (s *screen) handler() slog.Handler {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if !s.terminal {
		return slog.NewJSONHandler(s.out, o)
	}
	if !s.verbose {
		o.Level = slog.LevelWarn
	}
	return slog.NewTextHandler(s, o)
}

// clear takes the line away.
const clear = "\r\x1b[K"

// Write writes above the line.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line == "" {
		return s.out.Write(text)
	}
	if _, err := fmt.Fprintf(s.out, "%s%s%s", clear, text, s.line); err != nil {
		return 0, err
	}
	return len(text), nil
}

// refresh is how often the line is written anew.
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
	s.line = line
	fmt.Fprint(s.out, clear+line)
}

// end takes the line away for good.
func (s *screen) end() {
	s.stop()
	<-s.closed
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line != "" {
		fmt.Fprint(s.out, clear)
		s.line = ""
	}
}

// statusLine is what happened between two looks.
func statusLine(before, now local.Status, took time.Duration) string {
	total := func(name string) int64 { return int64(now.Total[name]) }
	rate := (now.Total[funcenv.MetricAccepted] - before.Total[funcenv.MetricAccepted]) / max(took.Seconds(), 0.001)
	lag := "-"
	if !now.LagAt.IsZero() && time.Since(now.LagAt) < time.Minute {
		lag = strconv.FormatFloat(now.Lag.Seconds(), 'f', 2, 64) + " s"
	}
	line := fmt.Sprintf("%s events/s in · %s loaded · %s archived · lag %s", thousands(int64(rate+0.5)), thousands(total(funcenv.MetricInserted)), thousands(total(funcenv.MetricArchived)), lag)
	if now.Loading > 0 {
		line += fmt.Sprintf(" · %s records to load", thousands(int64(now.Loading)))
	}
	for _, m := range []struct{ name, what string }{
		{funcenv.MetricRefused, "refused"}, {funcenv.MetricUnavailable, "unavailable"}, {funcenv.MetricDuplicates, "duplicates"},
		{funcenv.MetricQuarantined, "quarantined"}, {funcenv.MetricCacheErrors, "Redis errors"},
	} {
		if n := total(m.name); n > 0 {
			line += fmt.Sprintf(" · %s %s", thousands(n), m.what)
		}
	}
	return line
}

// thousands writes a number in groups of three.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

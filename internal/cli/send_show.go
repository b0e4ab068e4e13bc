package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
)

// quoted is a JSON string.
func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(text)
}

// showSent prints the summary of a run.
func showSent(a *App, s sent) {
	lines := ""
	if s.Lines > 0 {
		lines = " from " + plural(s.Lines, "line", "lines")
	}
	a.printf("accepted %s of %s%s in %.1f s, %s per second", thousands(int64(s.Accepted)), plural(s.Read, "event", "events"), lines, s.Seconds, thousands(int64(s.Rate+0.5)))
	if s.Retries > 0 {
		a.printf("; %s retried", plural(s.Retries, "request", "requests"))
	}
	a.printf("\nrequests p50 %.0f ms, p95 %.0f ms, p99 %.0f ms\n", s.Latency.P50, s.Latency.P95, s.Latency.P99)
	if v := s.Verified; v != nil {
		a.printf("queryable %s, missing %s; accepted → queryable p50 %.0f ms, p95 %.0f ms, p99 %.0f ms\n",
			thousands(int64(v.Queryable)), thousands(int64(v.Missing)), v.Latency.P50, v.Latency.P95, v.Latency.P99)
	}
	if s.Refused > 0 {
		showRejected(a, s)
	}
	if s.Unsent > 0 {
		a.printf("not accepted %s, kept in %s", plural(s.Unsent, "event", "events"), ui.Line(s.UnsentFile))
		if s.LastTrouble != "" {
			a.printf("; last error: %s", ui.Line(s.LastTrouble))
		}
		a.printf("\n")
	}
	if s.ResumeLine > 0 {
		a.printf("not read: %s from line %d on\n", ui.Line(s.in.label), s.ResumeLine)
	}
}

// showRejected lists the first rejected events with their places; if there are more, it
// counts all by reason.
func showRejected(a *App, s sent) {
	a.printf("rejected %s, kept in %s:\n", plural(s.Refused, "event", "events"), ui.Line(s.RejectedFile))
	byLine := map[int]int{}
	for _, e := range s.Examples {
		byLine[e.Line]++
	}
	for _, e := range s.Examples {
		place := fmt.Sprintf("event %d", e.Number)
		if s.in.label != "" && e.Line > 0 {
			place = fmt.Sprintf("%s:%d", ui.Line(s.in.label), e.Line)
			if byLine[e.Line] > 1 {
				place += fmt.Sprintf(" (event %d)", e.Number)
			}
		}
		a.printf("  %s: %s\n", place, ui.Line(e.Reason))
	}
	if s.Refused == len(s.Examples) {
		return
	}
	a.printf("  and %s more. All by reason:\n", thousands(int64(s.Refused-len(s.Examples))))
	for _, reason := range slices.SortedFunc(maps.Keys(s.Reasons), func(x, y string) int {
		return cmp.Or(s.Reasons[y]-s.Reasons[x], strings.Compare(x, y))
	}) {
		a.printf("  %6s  %s\n", thousands(int64(s.Reasons[reason])), ui.Line(reason))
	}
}

// sendProgress shows a run's progress on a terminal.
type sendProgress struct {
	out   io.Writer
	on    bool
	total int
	began time.Time

	mu       sync.Mutex
	accepted int
	stop     context.CancelFunc
	ended    chan struct{}
}

func newProgress(a *App, total int) *sendProgress {
	_, ok := terminal(a.Stderr)
	return &sendProgress{out: ui.Raw(a.story), on: ok, total: total}
}

func (p *sendProgress) add(n int, _ time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted += n
}

func (p *sendProgress) begin(ctx context.Context) {
	p.began, p.ended = time.Now(), make(chan struct{})
	ctx, p.stop = context.WithCancel(ctx)
	go func() {
		defer close(p.ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for p.on {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				fmt.Fprint(p.out, eraseLine+p.line())
			}
		}
	}()
}

// barWidth is the width of the progress bar in characters.
const barWidth = 30

func (p *sendProgress) line() string {
	p.mu.Lock()
	n := p.accepted
	p.mu.Unlock()
	took := time.Since(p.began)
	line := fmt.Sprintf("%s events, %s per second", thousands(int64(n)), thousands(int64(float64(n)/max(took.Seconds(), 0.001))))
	if p.total == 0 {
		return line
	}
	part := min(1, float64(n)/float64(p.total))
	filled := int(part * barWidth)
	return fmt.Sprintf("[%s%s] %3.0f %%  %s", strings.Repeat("█", filled), strings.Repeat("·", barWidth-filled), part*100, line)
}

// end removes the line.
func (p *sendProgress) end() {
	p.stop()
	<-p.ended
	if p.on {
		fmt.Fprint(p.out, eraseLine)
	}
}

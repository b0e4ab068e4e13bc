package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// quoted is a JSON string.
func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(text)
}

// showSent tells people what became of their events.
func (a *App) showSent(s sent) {
	a.printf("accepted %s of %s events in %.1f s, %s a second", thousands(int64(s.Accepted)), thousands(int64(s.Read)), s.Seconds, thousands(int64(s.Rate+0.5)))
	if s.Retries > 0 {
		a.printf("; %d requests were tried again", s.Retries)
	}
	a.printf("\nrequests p50 %.0f ms, p95 %.0f ms, p99 %.0f ms\n", s.Latency.P50, s.Latency.P95, s.Latency.P99)
	if v := s.Verified; v != nil {
		a.printf("queryable %s, missing %s; accepted → queryable p50 %.0f ms, p95 %.0f ms, p99 %.0f ms\n",
			thousands(int64(v.Queryable)), thousands(int64(v.Missing)), v.Latency.P50, v.Latency.P95, v.Latency.P99)
	}
	if s.Refused > 0 {
		a.printf("refused %s, kept in %s:\n", thousands(int64(s.Refused)), s.RejectedFile)
		for _, reason := range slices.SortedFunc(maps.Keys(s.Reasons), func(x, y string) int { return s.Reasons[y] - s.Reasons[x] }) {
			a.printf("  %6s  %s\n", thousands(int64(s.Reasons[reason])), reason)
		}
		var lines []string
		for _, e := range s.Examples {
			if e.Line > 0 {
				lines = append(lines, fmt.Sprint(e.Line))
			}
		}
		if len(lines) > 0 {
			more := ""
			if s.Refused > len(s.Examples) {
				more = ", …"
			}
			a.printf("  lines %s%s\n", strings.Join(lines, ", "), more)
		}
	}
	if s.Unsent > 0 {
		a.printf("without an answer %s, kept in %s; the last trouble: %s\n", thousands(int64(s.Unsent)), s.UnsentFile, s.LastTrouble)
	}
	if s.Interrupted {
		a.printf("interrupted: the input wasn't read to its end\n")
	}
}

// sendProgress shows how a run goes, where a person sits.
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
	return &sendProgress{out: a.Stderr, on: ok, total: total}
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
				fmt.Fprint(p.out, clear+p.line())
			}
		}
	}()
}

// barWidth is the bar's, in characters.
const barWidth = 30

func (p *sendProgress) line() string {
	p.mu.Lock()
	n := p.accepted
	p.mu.Unlock()
	took := time.Since(p.began)
	line := fmt.Sprintf("%s events, %s a second", thousands(int64(n)), thousands(int64(float64(n)/max(took.Seconds(), 0.001))))
	if p.total == 0 {
		return line
	}
	part := min(1, float64(n)/float64(p.total))
	filled := int(part * barWidth)
	return fmt.Sprintf("[%s%s] %3.0f %%  %s", strings.Repeat("█", filled), strings.Repeat("·", barWidth-filled), part*100, line)
}

// end takes the line away.
func (p *sendProgress) end() {
	p.stop()
	<-p.ended
	if p.on {
		fmt.Fprint(p.out, clear)
	}
}

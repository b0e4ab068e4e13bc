package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/contract"
)

// jobBar shows the progress of a job: a bar with rate and remaining time on a terminal,
// lines elsewhere.
type jobBar struct {
	a             *App
	out           io.Writer
	command, unit string
	isTerminal    bool
	every         time.Duration // between lines

	mu    sync.Mutex
	job   contract.Job
	first int64     // Done when this run began
	began time.Time // of this run; zero before the first result
	noted time.Time
	stop  context.CancelFunc
	ended chan struct{}
}

// lineEvery is the interval at which plain output repeats the progress.
const lineEvery = 10 * time.Second

func newJobBar(ctx context.Context, a *App, command, unit string) *jobBar {
	_, ok := terminal(a.Stderr)
	b := &jobBar{a: a, out: ui.Raw(a.story), command: command, unit: unit, isTerminal: ok, every: lineEvery, ended: make(chan struct{}), noted: time.Now(), began: time.Now()}
	if a.Remind > 0 {
		b.every = a.Remind
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = cancel
	go b.draw(ctx)
	return b
}

func (b *jobBar) draw(ctx context.Context) {
	defer close(b.ended)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for b.isTerminal {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			fmt.Fprint(b.out, eraseLine+b.line(now))
		}
	}
}

// show takes a new state of the job.
func (b *jobBar) show(j contract.Job) {
	b.mu.Lock()
	if b.job.ID == 0 && j.Done > 0 && j.StartedAt.Before(b.began.Add(-sliceSeconds*time.Second)) {
		b.first = j.Done // resumed: the rate is that of this run
	}
	b.job = j
	now := time.Now()
	due := !b.isTerminal && now.Sub(b.noted) >= b.every
	if due {
		b.noted = now
	}
	b.mu.Unlock()
	if due {
		b.a.notef("%s", b.line(now))
	}
}

// line describes the progress.
func (b *jobBar) line(now time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.job
	if j.ID == 0 {
		return b.command + ": starting"
	}
	rate := float64(j.Done-b.first) / max(now.Sub(b.began).Seconds(), 0.001)
	text := fmt.Sprintf("%s %s, %s per second", thousands(j.Done), b.unit, thousands(int64(rate)))
	if j.Total > 0 {
		part := min(1, float64(j.Done)/float64(j.Total))
		filled := int(part * barWidth)
		bar := ""
		if b.isTerminal {
			bar = "[" + strings.Repeat("█", filled) + strings.Repeat("·", barWidth-filled) + "] "
		}
		text = fmt.Sprintf("%s%3.0f %%  %s of %s %s, %s per second", bar, part*100, thousands(j.Done), thousands(j.Total), b.unit, thousands(int64(rate)))
		if left := j.Total - j.Done; rate >= 1 && left > 0 {
			text += ", " + (time.Duration(float64(left)/rate) * time.Second).Round(time.Second).String() + " left"
		}
	}
	return b.command + ": " + text
}

// end removes the bar.
func (b *jobBar) end() {
	b.stop()
	<-b.ended
	if b.isTerminal {
		fmt.Fprint(b.out, eraseLine)
	}
}

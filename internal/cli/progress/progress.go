// Package progress shows a running operation: as a tree on a terminal, as one line per
// event elsewhere, and as one JSON object per event for programs. It receives events
// and writes text; it makes no decisions.
package progress

import (
	"io"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// Options select the outputs of a Show.
type Options struct {
	// Log receives text for people, usually stderr. Use a *ui.Writer if text from
	// elsewhere must not control a terminal.
	Log io.Writer
	// Size returns the width and height of Log's terminal in characters. Nil means that
	// Log is not a terminal and gets plain lines.
	Size func() (width, height int)
	// Quiet shows only notes in Log.
	Quiet bool
	// Color reports whether Log may have colors.
	Color bool
	// Verbose shows a line for every event, also in plain lines.
	Verbose bool
	// Events receives one JSON object per event, usually stdout. Nil disables it.
	Events io.Writer
	// Now is the clock.
	Now func() time.Time
	// Remind is the interval at which plain output repeats what it is waiting for; 0
	// means 1 minute.
	Remind time.Duration
}

// refresh is the shortest interval between two drawings of the tree.
const refresh = 200 * time.Millisecond

// printer shows events in one form. Its methods are called by one goroutine at
// a time.
type printer interface {
	// event is called after the state has included e.
	event(s *state, e stack.Event)
	// note is a line that isn't an event.
	note(s *state, text string)
	// waiting is called every Options.Remind while a resource or step is in progress.
	waiting(s *state, now time.Time)
	// tick is called several times a second.
	tick(s *state, now time.Time)
	// pause leaves the screen to a question until the next call of any method.
	pause(s *state, now time.Time)
	// end is called once, last.
	end(s *state, now time.Time)
}

// Show shows one run of a command. Call End when the command is done.
type Show struct {
	now      func() time.Time
	remind   time.Duration
	printers []printer
	events   *ndjson // nil without Options.Events

	mu       sync.Mutex
	state    *state
	reminded time.Time
	paused   bool
	ended    bool
	stop     chan struct{} // closed by End
}

// Start starts to show a run.
func Start(o Options) *Show {
	s := newShow(o)
	go s.run(min(refresh, s.remind))
	return s
}

func newShow(o Options) *Show {
	s := &Show{now: o.Now, remind: o.Remind, state: newState(), stop: make(chan struct{})}
	if s.remind == 0 {
		s.remind = time.Minute
	}
	s.reminded = s.now()
	if o.Size != nil && !o.Quiet {
		s.printers = append(s.printers, &screen{out: ui.Raw(o.Log), size: o.Size, color: o.Color, verbose: o.Verbose})
	} else {
		s.printers = append(s.printers, &lines{out: o.Log, verbose: o.Verbose, quiet: o.Quiet})
	}
	if o.Events != nil {
		s.events = &ndjson{out: o.Events}
		s.printers = append(s.printers, s.events)
	}
	return s
}

func (s *Show) run(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.tick()
		}
	}
}

func (s *Show) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused || s.ended {
		return
	}
	now := s.now()
	if now.Sub(s.reminded) >= s.remind && s.state.waits() {
		s.reminded = now
		for _, p := range s.printers {
			p.waiting(s.state, now)
		}
	}
	for _, p := range s.printers {
		p.tick(s.state, now)
	}
}

// Report shows an event. An event without a time gets the current time; a repeated wait
// is shown once.
func (s *Show) Report(e stack.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if e.Time.IsZero() {
		e.Time = now
	}
	exact, e := e, cleaned(e)
	told := e.Kind == stack.KindWaiting && e.Text == s.state.waitingFor
	s.state.take(e, now)
	if told {
		return
	}
	for _, p := range s.printers {
		if p == printer(s.events) {
			p.event(s.state, exact)
		} else {
			p.event(s.state, e)
		}
	}
}

// Note shows a line that isn't an event.
func (s *Show) Note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text = ui.Text(text)
	for _, p := range s.printers {
		p.note(s.state, text)
	}
}

// Busy shows the current step of the program until the next event.
func (s *Show) Busy(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.take(cleaned(stack.Event{Kind: stack.KindWaiting, Text: text}), s.now())
}

// Expect announces the resources of an operation, types by logical id, which gives the
// total. op is create, update or delete.
func (s *Show) Expect(op string, resources map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear := make(map[string]string, len(resources))
	for id, kind := range resources {
		clear[clean(id)] = clean(kind)
	}
	s.state.expected[op] = clear
}

// Pause leaves the screen to a question until resume is called. Report nothing in
// between.
func (s *Show) Pause() (resume func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = true
	for _, p := range s.printers {
		p.pause(s.state, s.now())
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.paused = false
	}
}

// End removes the tree and prints a summary; report nothing afterwards. It may be
// called more than once.
func (s *Show) End() {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	for _, p := range s.printers {
		p.end(s.state, s.now())
	}
	s.mu.Unlock()
	close(s.stop)
}

// Result writes the last JSON object, a command's result. Options.Events must be set.
func (s *Show) Result(r Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events.result(s.now(), r)
}

// Fail writes a command's failure as the last JSON object instead.
func (s *Show) Fail(f Failure) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events.failure(s.now(), f)
}

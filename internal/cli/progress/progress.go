// Package progress shows an operation while it runs: as a tree that is kept up
// to date on a terminal, as a line an event elsewhere, and as a JSON object an
// event for programs. Events come in, text goes out; nothing here decides
// anything.
package progress

import (
	"io"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// Options say where an operation is shown, and how.
type Options struct {
	// Log takes text for people, usually stderr. It is a *ui.Writer where text from
	// elsewhere must not steer a terminal.
	Log io.Writer
	// Size gives the width and height of the terminal of Log, in
	// characters. Nil means that it is none: it gets plain lines.
	Size func() (width, height int)
	// Quiet shows people notes only.
	Quiet bool
	// Color reports whether Log may have colors.
	Color bool
	// Verbose has a line for every event, also in plain lines.
	Verbose bool
	// Events takes a JSON object an event, usually stdout. Nil takes none.
	Events io.Writer
	// Now is the clock.
	Now func() time.Time
	// Remind is how often it is said what is still being waited for, where that
	// isn't on the screen anyway; 0 means every minute.
	Remind time.Duration
}

// refresh is how often a tree is drawn at most.
const refresh = 200 * time.Millisecond

// printer shows events in one form. Its methods are called by one goroutine at
// a time.
type printer interface {
	// event comes after the state has taken it in.
	event(s *state, e stack.Event)
	// note is a line that isn't an event.
	note(s *state, text string)
	// waiting is called every Options.Remind while something is waited for.
	waiting(s *state, now time.Time)
	// tick is called several times a second.
	tick(s *state, now time.Time)
	// pause leaves the screen to a question until the next call of any method.
	pause(s *state, now time.Time)
	// end is called once, last.
	end(s *state, now time.Time)
}

// Show shows one run of a command. End ends it.
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

// Start begins to show a run.
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

// Report shows an event. What has no time of its own has now's; a wait that goes
// on is told once.
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

// Note shows people a line that isn't an event.
func (s *Show) Note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text = ui.Text(text)
	for _, p := range s.printers {
		p.note(s.state, text)
	}
}

// Busy says what the program itself is at, until the next event.
func (s *Show) Busy(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.take(cleaned(stack.Event{Kind: stack.KindWaiting, Text: text}), s.now())
}

// Expect says what an operation will touch, types by logical id: so much is it
// in all. op is create, update or delete.
func (s *Show) Expect(op string, resources map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear := make(map[string]string, len(resources))
	for id, kind := range resources {
		clear[clean(id)] = clean(kind)
	}
	s.state.expected[op] = clear
}

// Pause leaves the screen to a question, until resume is called. Nothing may be
// reported meanwhile.
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

// End takes the tree away and leaves a summary; nothing may be reported later. It
// may be called more than once.
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

// Result writes the last JSON object, for which there have to be Options.Events:
// what a command answered.
func (s *Show) Result(r Result) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events.result(s.now(), r)
}

// Fail writes the last JSON object instead: why a command failed.
func (s *Show) Fail(f Failure) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events.failure(s.now(), f)
}

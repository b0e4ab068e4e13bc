package cli

import (
	"errors"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/streamctl/streamctl/internal/cli/progress"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// show begins to show what a verb does while it does it: a tree where a person
// sits, lines elsewhere, and with --output json an object an event on stdout.
func (a *App) show(verb string) {
	o := progress.Options{Story: a.story, Verbose: a.flags.verbose, Color: a.colors(), Now: time.Now, Remind: a.Remind}
	if fd, ok := terminal(a.Stderr); ok && a.Getenv("TERM") != "dumb" {
		o.Size = func() (width, height int) {
			width, height, err := term.GetSize(fd)
			if err != nil || width <= 0 || height <= 0 {
				return 80, 24
			}
			return width, height
		}
	}
	if a.flags.output == "json" {
		o.Events = ui.JSONWriter(a.out)
		_, o.Quiet = terminal(a.Stdout) // the events are on the screen already
	}
	a.verb, a.showing = verb, progress.Start(o)
}

// endShow takes the tree away and leaves a summary; the result comes next.
func (a *App) endShow() {
	if a.showing != nil {
		a.showing.End()
	}
}

// colors says that stderr takes colours.
func (a *App) colors() bool {
	_, ok := terminal(a.Stderr)
	return ok && a.wantsColors()
}

// wantsColors says that nobody asked for text without colours.
func (a *App) wantsColors() bool {
	return !a.flags.noColor && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
}

// report shows what an operation does, on stderr.
func (a *App) report(e stack.Event) {
	if a.showing != nil {
		a.showing.Report(e)
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if line := progress.Line(e, a.flags.verbose); line != "" {
		a.notef("%s", line)
	}
}

// busy says what this program itself is at.
func (a *App) busy(text string) {
	if a.showing != nil {
		a.showing.Busy(text)
	}
}

// pause leaves the screen to a question until resume is called.
func (a *App) pause() (resume func()) {
	if a.showing == nil {
		return func() {}
	}
	return a.showing.Pause()
}

// expect says what an operation will touch, types by logical id.
func (a *App) expect(op string, resources map[string]string) {
	if a.showing != nil {
		a.showing.Expect(op, resources)
	}
}

// streams says that the answer is the last of the events on stdout.
func (a *App) streams() bool { return a.showing != nil && a.flags.output == "json" }

// writeFinalEvent writes the last event: the answer, or why there is none.
func (a *App) writeFinalEvent(err error, code int) error {
	switch {
	case !a.streams():
		return nil
	case err == nil, code == exitLeftBehind && a.result != nil:
		return a.showing.Result(progress.Result{Verb: a.verb, ExitCode: code, Result: a.result})
	}
	f := progress.Failure{Verb: a.verb, ExitCode: code, Message: message(err), Hint: hint(err), Result: a.result}
	var failed *stack.FailedError
	if errors.As(err, &failed) && len(failed.Causes) > 0 {
		f.Message, _, _ = strings.Cut(f.Message, "\n")
		f.Causes = progress.Causes(failed.Causes)
	}
	return a.showing.Fail(f)
}

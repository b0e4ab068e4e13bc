package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/streamctl/streamctl/internal/cli/progress"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// view shows the progress of a verb on standard error. Without a call of show, it
// prints notes and reports as plain lines.
type view struct {
	story *ui.Writer
	flags *common
	// shown is the progress display; nil if the verb has none.
	shown *progress.Show
	verb  string
	// result is the verb's result if it is the last of the progress events.
	result any
}

// show starts the progress display of a verb: a tree on a terminal, lines elsewhere,
// and with --output json one event per line on standard output.
func (a *App) show(verb string) {
	o := progress.Options{Log: a.story, Verbose: a.flags.verbose, Color: a.colors(), Now: time.Now, Remind: a.Remind}
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
	a.view.verb, a.view.shown = verb, progress.Start(o)
}

// colors reports whether standard error shows colors.
func (a *App) colors() bool {
	_, ok := terminal(a.Stderr)
	return ok && wantsColors(a)
}

// wantsColors reports whether the user has not disabled colors.
func wantsColors(a *App) bool {
	return !a.flags.noColor && a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb"
}

// end removes the tree from the screen and prints a summary, before the result.
func (v *view) end() {
	if v.shown != nil {
		v.shown.End()
	}
}

// note prints a line.
func (v *view) note(text string) {
	if v.shown != nil {
		v.shown.Note(text)
		return
	}
	fmt.Fprintln(v.story, text)
}

// report shows a progress event of an operation.
func (v *view) report(e stack.Event) {
	if v.shown != nil {
		v.shown.Report(e)
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	if line := progress.Line(e, v.flags.verbose); line != "" {
		v.note(line)
	}
}

// busy shows the current step of this program.
func (v *view) busy(text string) {
	if v.shown != nil {
		v.shown.Busy(text)
	}
}

// pause leaves the screen to a question until resume is called.
func (v *view) pause() (resume func()) {
	if v.shown == nil {
		return func() {}
	}
	return v.shown.Pause()
}

// expect announces the resources that an operation will touch, types by logical id.
func (v *view) expect(op string, resources map[string]string) {
	if v.shown != nil {
		v.shown.Expect(op, resources)
	}
}

// streams reports whether the result is the last of the events on standard output.
func (v *view) streams() bool { return v.shown != nil && v.flags.output == "json" }

// final writes the last event: the result, or the failure.
func (v *view) final(err error, code int) error {
	switch {
	case !v.streams():
		return nil
	case err == nil, code == exitLeftBehind && v.result != nil:
		return v.shown.Result(progress.Result{Verb: v.verb, ExitCode: code, Result: v.result})
	}
	f := progress.Failure{Verb: v.verb, ExitCode: code, Message: message(err), Hint: hint(err), Result: v.result}
	var failed *stack.FailedError
	if errors.As(err, &failed) && len(failed.Causes) > 0 {
		f.Message, _, _ = strings.Cut(f.Message, "\n")
		f.Causes = progress.Causes(failed.Causes)
	}
	return v.shown.Fail(f)
}

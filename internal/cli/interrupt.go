package cli

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// interrupted decides what becomes of an operation that runs in AWS. A person is
// asked; without one an update or a create is cancelled, as whoever ends a
// pipeline expects, and anything else is left to its end. The next interrupt ends
// the context, and leaves the operation running.
func (a *App) interrupted(ctx context.Context, op string) (cancel bool, until context.Context) {
	until, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(until, stop)
	cancellable := op == "create" || op == "update"
	_, person := terminal(a.Stdin)
	switch {
	case !cancellable:
		a.notef("Interrupted: the %s goes on in AWS and is followed to its end; interrupt again to stop following it.", op)
		return false, until
	case !person:
		a.notef("Interrupted: cancelling the %s; interrupt again to leave it running.", op)
		return true, until
	}
	what := map[string]string{"create": "delete the new stack", "update": "put the stack back as it was"}[op]
	defer a.pause()()
	a.promptf("\nInterrupted. Cancel the %s (%s)? [y/N: go on] ", op, what)
	line, err := a.askLine(until)
	if err != nil { // interrupted again, or nobody there any more
		return false, until
	}
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y"), until
}

// agree asks a question that a stack's state raises.
func (a *App) agree(ctx context.Context) func(what, question string) error {
	return func(what, question string) error {
		a.notef("%s", what)
		if a.flags.yes {
			return nil
		}
		if _, ok := terminal(a.Stdin); !ok {
			return &declinedError{hint: "nobody is here to ask; add --yes"}
		}
		defer a.pause()()
		a.promptf("%s [y/N] ", question)
		line, err := a.askLine(ctx)
		if err != nil || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y") {
			return &declinedError{}
		}
		return nil
	}
}

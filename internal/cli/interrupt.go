package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// askCancel decides whether to cancel an operation that runs in AWS. On a terminal it
// asks. Elsewhere it cancels a create or an update, because the cancellation of a CI
// job should stop the deployment, and lets every other operation finish. The next
// interrupt ends the context and leaves the operation running.
func askCancel(ctx context.Context, a *App, op string) (cancel bool, until context.Context) {
	until, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(until, stop)
	cancellable := op == "create" || op == "update"
	_, person := terminal(a.Stdin)
	switch {
	case !cancellable:
		a.notef("Interrupted: the %s continues in AWS; following it until it ends. Interrupt again to stop following.", op)
		return false, until
	case !person:
		a.notef("Interrupted: canceling the %s; interrupt again to leave it running.", op)
		return true, until
	}
	what := map[string]string{"create": "delete the new stack", "update": "roll the stack back"}[op]
	defer a.view.pause()()
	a.promptf("\nInterrupted. Cancel the %s (%s)? [y/N: continue] ", op, what)
	line, err := a.askLine(until)
	if err != nil { // interrupted again, or the end of input
		return false, until
	}
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y"), until
}

// confirmed asks a question after a text that explains it, unless --yes was given.
func (a *App) confirmed(ctx context.Context, explanation, question string) error {
	a.notef("%s", explanation)
	if a.flags.yes {
		return nil
	}
	if _, ok := terminal(a.Stdin); !ok {
		return &declinedError{hint: "standard input is not a terminal; add --yes"}
	}
	defer a.view.pause()()
	a.promptf("%s [y/N] ", question)
	line, err := a.askLine(ctx)
	if err != nil || !strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "y") {
		return &declinedError{}
	}
	return nil
}

// confirmName asks for the stack's name, unless --yes was given.
func confirmName(ctx context.Context, a *App, stack string) error {
	if a.flags.yes {
		return nil
	}
	return a.askName(ctx, stack, "Type the stack's name to delete it: ", "standard input is not a terminal; add --yes")
}

// confirmUndo asks for the stack's name before the remains of a failed create are deleted
// that may be needed. --yes does not answer: the user may not know of the data.
func (a *App) confirmUndo(ctx context.Context, stack, remains string) error {
	a.notef("%s", remains)
	return a.askName(ctx, stack, "This deletes the database without a snapshot. Type the stack's name to delete it: ",
		"--yes does not answer this question: run the same command on a terminal, or delete the stack with a final snapshot: `streamctl destroy --lift-protection`")
}

// askName asks for the stack's name. Elsewhere is the hint if there is no terminal.
func (a *App) askName(ctx context.Context, stack, question, elsewhere string) error {
	if _, ok := terminal(a.Stdin); !ok {
		return &declinedError{hint: elsewhere}
	}
	defer a.view.pause()()
	a.promptf("%s", question)
	line, err := a.askLine(ctx)
	if err != nil {
		return &declinedError{}
	}
	if line != stack {
		return &declinedError{hint: fmt.Sprintf("the stack's name is %s", stack)}
	}
	return nil
}

// declinedError is errDeclined with a hint.
type declinedError struct{ hint string }

func (e *declinedError) Error() string { return errDeclined.Error() }
func (e *declinedError) Unwrap() error { return errDeclined }
func (e *declinedError) Hint() string  { return e.hint }

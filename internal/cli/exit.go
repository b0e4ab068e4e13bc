package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/local"
	"github.com/streamctl/streamctl/internal/send"
)

// Exit codes.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitInvalid    = 3
	exitPermission = 4
	exitStack      = 5
	exitDeclined   = 6
	exitBusy       = 7
	exitLeftBehind = 8
)

// usageError is a call that can't be meant.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string  { return e.hint }

// invalidError is a template that must not be used.
type invalidError struct{ err error }

func (e *invalidError) Error() string { return e.err.Error() }
func (e *invalidError) Unwrap() error { return e.err }

// canceledError is an interrupt of a verb, with the step that it ended.
type canceledError struct {
	verb string
	err  error
}

func (e *canceledError) Error() string {
	if errors.Is(e.err, context.Canceled) && e.err.Error() == context.Canceled.Error() {
		return "interrupted"
	}
	return "interrupted: " + e.err.Error()
}

func (e *canceledError) Unwrap() error { return e.err }

// Hint is the state that the interrupt leaves, and how to continue.
func (e *canceledError) Hint() string {
	switch e.verb {
	case "deploy":
		return "run the same command again to continue; `streamctl status` shows the state of the stack"
	case "destroy":
		return "run the same command again to continue the deletion; `streamctl status` shows the state of the stack"
	case "package":
		return "uploaded code stays and is not uploaded again: run the same command again"
	case "status":
		return "the operation in AWS continues: `streamctl status --follow` shows it"
	case "send":
		return "no event was sent: run the same command again"
	case "query":
		return "the query was canceled; the data is unchanged"
	case "local":
		return "everything that was started has been stopped: run the same command again"
	case "dashboard":
		return "the dashboard was not started; the stack is unchanged"
	case "init":
		return "run `streamctl init` again; it never overwrites a file"
	case "validate", "render", "diff", "outputs", "doctor":
		return "`streamctl " + e.verb + "` changes nothing: run it again at any time"
	}
	return "run the same command again"
}

// told says that an error itself says what an interrupt did.
func told(err error) bool {
	var undone *deploy.CancelledError
	var running *deploy.LeftRunningError
	var unread *local.UnreadError
	var sent *sendInterruptedError
	var failed *deploy.FailedError // it was left to go on, and came to this
	return errors.As(err, &sent) || errors.As(err, &failed) || errors.As(err, &undone) || errors.As(err, &running) || errors.As(err, &unread)
}

// errDeclined is a person's no, or nobody there to say yes.
var errDeclined = errors.New("declined; nothing was changed")

// errLeftBehind ends a destroy that worked and left something on purpose. What
// it is has been printed.
var errLeftBehind = errors.New("finished, but something that holds data or costs money was left behind")

// exit prints an error and gives its code: the one place that does either.
func (a *App) exit(err error) int {
	a.endShow()
	broken := a.out.Err()
	quiet := errors.Is(broken, syscall.EPIPE) && (err == nil || errors.Is(err, broken))
	if broken != nil && !errors.Is(err, broken) {
		err = errors.Join(err, &writeError{broken})
	}
	code := exitDone
	if err != nil {
		code = exitCode(err)
		// A program that closed the pipe, such as head, needs no message.
		if !quiet {
			a.complain(err)
		}
	}
	if err := a.tell(err, code); err != nil && broken == nil {
		if !errors.Is(err, syscall.EPIPE) {
			a.complain(&writeError{err})
		}
		return max(code, exitFailed)
	}
	return code
}

func (a *App) complain(err error) {
	name := "streamctl:"
	if a.colors() {
		name = "\x1b[31m" + name + "\x1b[0m"
	}
	text := name + " " + ui.Text(message(err)) + "\n"
	if do := hint(err); do != "" {
		text += "  hint: " + ui.Text(do) + "\n"
	}
	_ = a.story.Raw(text) // there is no other place to report that stderr fails
}

// message is an error in words.
func message(err error) string {
	if invalid := (*config.InvalidError)(nil); errors.As(err, &invalid) {
		return fmt.Sprintf("invalid variables; nothing was changed\n%v", invalid)
	}
	return err.Error()
}

// hint is what a person can do about an error; empty where nothing is known.
func hint(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		return hinted.Hint()
	}
	if fromAWS(err) {
		return deploy.HintFor(err.Error())
	}
	return ""
}

func exitCode(err error) int {
	var (
		usage     *usageError
		variables *config.InvalidError
		invalid   *invalidError
		login     *deploy.CredentialsError
		account   *deploy.AccountError
		failed    *deploy.FailedError
		state     *deploy.StateError
		protected *deploy.ProtectedError
		locked    *deploy.LockedError
		replace   *deploy.ReplaceError
		busy      *deploy.BusyError
		canceled  *canceledError
		unread    *readDeniedError
		undone    *deploy.CancelledError
		running   *deploy.LeftRunningError
		sent      *sendInterruptedError
		unsigned  *api.CredentialsError
	)
	switch {
	case errors.As(err, &canceled), errors.As(err, &undone), errors.As(err, &running), errors.As(err, &sent):
		return exitDeclined
	case errors.Is(err, errLeftBehind):
		return exitLeftBehind
	case errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command"):
		return exitUsage
	case errors.As(err, &variables), errors.As(err, &invalid):
		return exitInvalid
	case errors.As(err, &login), errors.As(err, &account), errors.As(err, &unsigned), forbidden(err), errors.As(err, &unread), denied(err):
		return exitPermission
	case errors.As(err, &failed), errors.As(err, &state):
		return exitStack
	case errors.Is(err, errDeclined), errors.As(err, &protected), errors.As(err, &locked), errors.As(err, &replace):
		return exitDeclined
	case errors.As(err, &busy):
		return exitBusy
	default:
		return exitFailed
	}
}

// forbidden says that the platform's API lets this caller do nothing.
func forbidden(err error) bool {
	var asked *problemError
	var sent *send.RefusedError
	return errors.As(err, &asked) && asked.status == http.StatusForbidden || errors.As(err, &sent) && sent.Status == http.StatusForbidden
}

// fromAWS says that AWS answered a call with an error.
func fromAWS(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api)
}

// denied says that AWS refused a call for lack of permission.
func denied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains([]string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden"}, api.ErrorCode())
}

package cli

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/aws/smithy-go"

	"github.com/streamctl/streamctl/internal/cli/ui"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/local"
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

// exitCode returns the exit code for an error.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	switch failure.Of(err, ofAWS) {
	case failure.Declined:
		return exitDeclined
	case failure.LeftBehind:
		return exitLeftBehind
	case failure.Usage:
		return exitUsage
	case failure.Invalid:
		return exitInvalid
	case failure.Credentials:
		return exitPermission
	case failure.Stack:
		return exitStack
	case failure.Busy:
		return exitBusy
	case failure.Other, failure.Network:
	}
	return exitFailed
}

// ofAWS returns the class of an error response from AWS.
func ofAWS(err error) failure.Class {
	rejected, ok := err.(smithy.APIError) //nolint:errorlint // each error of the chain separately
	if !ok {
		return failure.Other
	}
	switch code := rejected.ErrorCode(); {
	case credentialsHint(code) != "", code == "AccessDenied", code == "AccessDeniedException", code == "UnauthorizedOperation", code == "Forbidden":
		return failure.Credentials
	}
	return failure.Other
}

// credentialsHint returns the fix for an AWS error code that rejects the credentials or
// their signature; empty for every other code.
func credentialsHint(code string) string {
	switch code {
	case "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		return "the credentials have expired: get new ones (`aws sso login` for an SSO profile), then run the same command again"
	case "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture", "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidSignature":
		return "check this machine's clock and the secret access key; `aws sts get-caller-identity` must work"
	case "InvalidClientTokenId", "UnrecognizedClientException", "UnrecognizedClient", "InvalidAccessKeyId", "InvalidToken", "AuthFailure", "NotAuthorized":
		return "AWS doesn't know this access key or session token: check AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN, or the profile; `aws sts get-caller-identity` must work"
	case "OptInRequired", "SubscriptionRequiredException":
		return "the region or the service isn't enabled for this account: `aws account list-regions` shows the regions"
	case "IncompleteSignature", "IncompleteSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "InvalidHeader":
		return "the call isn't signed correctly: check the credentials for spaces and missing parts; `aws sts get-caller-identity` must work"
	}
	return ""
}

// explainsInterrupt reports whether an error itself explains the effect of an
// interrupt.
func explainsInterrupt(err error) bool {
	var undone *stack.CanceledError
	var running *stack.LeftRunningError
	var unread *local.UnreadError
	var sent *sendInterruptedError
	var failed *stack.FailedError // it was left to continue, and ended as this
	return errors.As(err, &sent) || errors.As(err, &failed) || errors.As(err, &undone) || errors.As(err, &running) || errors.As(err, &unread)
}

// exit prints an error and returns its exit code. Nothing else does either.
func (a *App) exit(err error) int {
	a.view.end()
	broken := a.out.Err()
	quiet := errors.Is(broken, syscall.EPIPE) && (err == nil || errors.Is(err, broken))
	if broken != nil && !errors.Is(err, broken) {
		err = errors.Join(err, &writeError{broken})
	}
	code := exitCode(err)
	// A program that closed the pipe, such as head, needs no message.
	if err != nil && !quiet {
		printError(a, err)
	}
	if err := a.view.final(err, code); err != nil && broken == nil {
		if !errors.Is(err, syscall.EPIPE) {
			printError(a, &writeError{err})
		}
		return max(code, exitFailed)
	}
	return code
}

func printError(a *App, err error) {
	name := "streamctl:"
	if a.colors() {
		name = "\x1b[31m" + name + "\x1b[0m"
	}
	text := name + " " + ui.Text(message(err)) + "\n"
	if do := hint(err); do != "" {
		text += "  hint: " + ui.Text(do) + "\n"
	}
	_ = a.story.Raw(text) // a failed write to stderr can't be reported anywhere
}

// message is the text of an error.
func message(err error) string {
	if invalid := (*config.InvalidError)(nil); errors.As(err, &invalid) {
		return fmt.Sprintf("invalid variables; nothing was changed\n%v", invalid)
	}
	return err.Error()
}

// hint returns advice for an error; empty for an error without advice.
func hint(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		return hinted.Hint()
	}
	if rejected := smithy.APIError(nil); errors.As(err, &rejected) {
		if do := credentialsHint(rejected.ErrorCode()); do != "" {
			return do
		}
		return stack.HintFor(err.Error())
	}
	return ""
}

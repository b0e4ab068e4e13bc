package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/failure"
	"github.com/streamctl/streamctl/internal/send"
)

// sent is the result of send.
type sent struct {
	send.Summary
	Verified *send.Verified `json:"verified,omitempty"`
	// RejectedFile and UnsentFile keep events that weren't accepted, if there are any.
	RejectedFile string `json:"rejectedFile,omitempty"`
	UnsentFile   string `json:"unsentFile,omitempty"`

	in input
}

func runSend(ctx context.Context, a *App, o sendOptions, args []string, generated bool) (err error) {
	if err := o.check(args, generated); err != nil {
		return err
	}
	in, err := openEvents(ctx, a, o, args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close()) }()
	client, err := newAPI(ctx, a, o.api, o.concurrency+1)
	if err != nil {
		return err
	}
	rejects, err := in.rejects()
	if err != nil {
		return err
	}
	result, err := sendAll(ctx, a, o, in, client, rejects)
	var closeErr error
	if result.RejectedFile, result.UnsentFile, closeErr = rejects.Close(); closeErr != nil {
		closeErr = fmt.Errorf("keep events that were not accepted: %w", closeErr)
	}
	if !result.Began.IsZero() {
		err = errors.Join(result.failure(), a.printResult(result, func() { showSent(a, result) }), err)
		if err == nil && strings.HasSuffix(in.file, ".unsent") {
			a.notef("All events of %s are accepted: the file can be removed.", in.file)
		}
	}
	return errors.Join(err, closeErr)
}

// sendAll sends the events of an input. The summary is zero if the run did not begin.
func sendAll(ctx context.Context, a *App, o sendOptions, in input, client *api.Client, rejects *send.File) (result sent, err error) {
	bar := newProgress(a, in.total)
	so := send.Options{
		Client: client, Batch: o.batch, Linger: o.linger, Concurrency: o.concurrency, Rate: o.rate, RetryFor: o.retryFor,
		Rejects: rejects, Accepted: bar.add, For: o.length, KeepRest: !in.generated,
		Interrupted: func(ctx context.Context) context.Context { return sendInterrupted(ctx, a) },
	}
	var verifier *send.Verifier
	if o.verify {
		verifier = &send.Verifier{Counter: newCounter(client, time.Now().Add(o.length)), Every: 50 * time.Millisecond}
		if err := verifier.Begin(ctx); err != nil {
			return result, err
		}
		so.Accepted = func(n int, at time.Time) { bar.add(n, at); verifier.Accepted(n, at) }
	}
	bar.begin(ctx)
	sum, err := send.Run(ctx, in.source, so)
	bar.end()
	result = sent{Summary: sum, in: in}
	if verifier != nil {
		verified, verifyErr := verifier.Finish(ctx, o.patience)
		result.Verified = &verified
		if !sum.Interrupted {
			err = errors.Join(err, verifyErr)
		}
	}
	return result, err
}

// sendInterrupted returns a context that ends with the second interrupt.
func sendInterrupted(ctx context.Context, a *App) context.Context {
	until, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(until, stop)
	a.notef("Interrupted: finishing the requests under way and keeping the other events; interrupt again to stop immediately.")
	return until
}

// sentError reports a run in which not every event was accepted.
type sentError struct {
	refused, unsent int
	result          sent
}

func (e *sentError) Error() string {
	return fmt.Sprintf("not every event was accepted: %d rejected, %d got no response", e.refused, e.unsent)
}

// Hint implements the command line's hints.
func (e *sentError) Hint() string {
	if e.unsent > 0 {
		return e.result.resume()
	}
	return "the reasons are listed above; correct the lines in " + e.result.RejectedFile + " and send that file"
}

// sendInterruptedError reports an interrupted run.
type sendInterruptedError struct{ result sent }

func (e *sendInterruptedError) Error() string {
	s := e.result
	return fmt.Sprintf("interrupted: %d events accepted, %d rejected, %d kept", s.Accepted, s.Refused, s.Unsent)
}

// Class implements failure.Classified.
func (e *sendInterruptedError) Class() failure.Class { return failure.Declined }

// Hint implements the command line's hints.
func (e *sendInterruptedError) Hint() string { return e.result.resume() }

// resume explains how to send the remaining events.
func (s sent) resume() string {
	var text string
	switch {
	case s.UnsentFile != "":
		text = "resume with `streamctl send " + shellWord(s.UnsentFile) + "`: its events have their ids, so duplicates are ignored"
		if s.Minted == 0 && s.in.file != "" {
			text += "; all events have ids and times of their own, so sending " + s.in.file + " again duplicates nothing either"
		}
	case s.in.generated:
		text = "every generated event got its response; the same command generates new events"
	case s.in.file != "" && s.ResumeLine == 0:
		text = "every event of " + s.in.file + " got its response: nothing remains to be sent"
	default:
		text = "every event that was read got its response"
	}
	if s.ResumeLine > 0 && s.in.file != "" {
		text += fmt.Sprintf("; then `streamctl send %s --from-line %d`, because the rest was not read", shellWord(s.in.file), s.ResumeLine)
	}
	return text
}

// shellWord quotes a file's name for a command line.
func shellWord(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-") == "" && !strings.HasPrefix(name, "-") {
		return name
	}
	return shellQuote(name)
}

func (s sent) failure() error {
	switch {
	case s.Interrupted:
		return &sendInterruptedError{s}
	case s.Refused+s.Unsent > 0:
		return &sentError{s.Refused, s.Unsent, s}
	}
	return nil
}

// newCounter counts the events from now until some time after the end.
func newCounter(client *api.Client, end time.Time) send.Counter {
	now := time.Now().UTC()
	from := now.Truncate(time.Minute).Add(-time.Minute)
	to := end.UTC().Truncate(time.Minute).Add(30 * time.Minute)
	return eventCounter{client, api.MetricPath(api.MetricEvents, url.Values{
		"by": {"none"}, "step": {"24h"}, "from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)},
	})}
}

type eventCounter struct {
	api    *api.Client
	target string
}

// Count returns the number of queryable events.
func (c eventCounter) Count(ctx context.Context) (int, error) {
	var body api.MetricResponse
	if err := get(ctx, c.api, c.target, &body); err != nil {
		return 0, err
	}
	n := 0
	for _, p := range body.Points {
		n += int(p.Count)
	}
	return n, nil
}

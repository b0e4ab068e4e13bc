package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamctl/streamctl/internal/api"
)

const (
	// firstTries is the number of attempts for a host that has never answered,
	// laterTries for one that has: for these, the network failed in the meantime.
	firstTries, laterTries = 3, 6
	// patience is the wait for a host's first response before a line reports it.
	patience = 3 * time.Second
	// callTimeout bounds one try of a call, until its response is read; longTimeout that of
	// a call that sends a function's code or waits for a function.
	callTimeout = time.Minute
	longTimeout = 16 * time.Minute
)

// contacts records which hosts have responded. A host that can't be reached is given up
// after a few attempts, because it is unlikely to respond within the two minutes that
// throttled calls get. It is safe for concurrent use.
type contacts struct {
	note func(format string, args ...any)
	// patience and timeout are the constants of that name; tests shorten them.
	patience time.Duration
	timeout  func(operation string) time.Duration

	mu     sync.Mutex
	hosts  map[string]*contact
	closed bool
}

// timeoutOf is the time for one try of an operation.
func timeoutOf(operation string) time.Duration {
	switch operation {
	case "PutObject", "UploadPart", "Invoke":
		return longTimeout
	}
	return callTimeout
}

type contact struct {
	reached bool
	failed  int // in a row
	hung    int // since the last call that was given up
	last    error
	slow    *time.Timer // until the first answer
}

func newContacts(note func(format string, args ...any)) *contacts {
	return &contacts{note: note, patience: patience, timeout: timeoutOf, hosts: map[string]*contact{}}
}

// dialer bounds the wait for a connection.
func (c *contacts) dialer(d *net.Dialer) { d.Timeout = dialTimeout }

// watch adds c to the calls of a client. The metadata services of EC2 and ECS are
// exempt: other machines don't have them.
func (c *contacts) watch(stack *middleware.Stack) error {
	if err := stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("streamctlTimeout", c.bound), "Retry", middleware.After); err != nil {
		return fmt.Errorf("bound the time of calls: %w", err)
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("streamctlContacts", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		request, ok := in.Request.(*smithyhttp.Request)
		if !ok || linkLocal(request.URL.Hostname()) {
			return next.HandleDeserialize(ctx, in)
		}
		host := request.URL.Host
		c.begin(ctx, host)
		out, metadata, err := next.HandleDeserialize(ctx, in)
		var sent *smithyhttp.RequestSendError
		switch {
		case ctx.Err() != nil:
			c.end(host)
		case errors.As(err, &sent):
			err = c.fail(host, sent.Err)
		default:
			c.reach(host)
		}
		return out, metadata, err
	}), middleware.After)
}

func linkLocal(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && (ip.IsLinkLocalUnicast() || ip.Equal(net.ParseIP("fd00:ec2::254")) || ip.Equal(net.ParseIP("fd00:ec2::23")))
}

// bound ends a try of a call, until its response is read, after a time. A few tries that
// hang end the call.
func (c *contacts) bound(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	if awsmiddleware.GetOperationName(ctx) == "InvokeWithResponseStream" {
		return next.HandleFinalize(ctx, in) // its response is read after the call
	}
	limit := c.timeout(awsmiddleware.GetOperationName(ctx))
	try, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var slowTimer *time.Timer
	out, metadata, err := next.HandleFinalize(context.WithValue(try, tryKey{}, &slowTimer), in)
	if slowTimer != nil {
		slowTimer.Stop()
	}
	request, ok := in.Request.(*smithyhttp.Request)
	if err == nil || try.Err() == nil || ctx.Err() != nil || !ok {
		return out, metadata, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[request.URL.Host]
	if h == nil {
		return out, metadata, err
	}
	h.hung++
	slow := &contactError{NetworkError: &api.NetworkError{Host: request.URL.Host, Err: &slowError{limit}}, wait: time.Second, again: h.hung < firstTries}
	if !slow.again {
		h.hung = 0
	}
	return out, metadata, slow
}

// slowError is a call that got no complete response in time. The SDK repeats it.
type slowError struct{ after time.Duration }

func (e *slowError) Error() string { return "no complete response within " + e.after.String() }

// Timeout implements net.Error.
func (*slowError) Timeout() bool { return true }

// Temporary implements net.Error.
func (*slowError) Temporary() bool { return true }

// tryKey is the context key of a *time.Timer's place: the try of a call, from its request to
// the end of its response.
type tryKey struct{}

// begin starts to wait for an answer of a host, the first one or a later one.
func (c *contacts) begin(ctx context.Context, host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[host] == nil {
		c.hosts[host] = &contact{}
	}
	h := c.hosts[host]
	if h.reached {
		if try, ok := ctx.Value(tryKey{}).(**time.Timer); ok {
			*try = time.AfterFunc(c.patience, func() { c.stillWaiting(host) })
		}
		return
	}
	if h.slow == nil {
		h.slow = time.AfterFunc(c.patience, func() { c.waiting(host) })
	}
}

// stillWaiting reports a call to a host that has responded before.
func (c *contacts) stillWaiting(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.note("Still waiting for %s: no response yet", host)
	}
}

// waiting reports a host that has not responded yet. It holds the lock while it writes,
// so that nothing is written after stop and close.
func (c *contacts) waiting(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[host]
	switch {
	case h.slow == nil: // stopped while the timer fired
	case h.last != nil:
		c.note("Still waiting for %s: %s", host, api.Cause(h.last))
	default:
		c.note("Still waiting for %s: no response yet", host)
	}
}

// close stops all waits, because the program ends.
func (c *contacts) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, h := range c.hosts {
		h.stop()
	}
}

// end stops the wait.
func (c *contacts) end(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hosts[host].stop()
}

func (h *contact) stop() {
	if h.slow != nil {
		h.slow.Stop()
		h.slow = nil
	}
}

func (c *contacts) reach(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[host]
	h.reached, h.failed, h.last = true, 0, nil
	h.stop()
}

// fail returns the error of a failed call; it decides whether the SDK retries.
func (c *contacts) fail(host string, cause error) error {
	network := &api.NetworkError{Host: host, Err: cause}
	if !api.Unreachable(cause) { // such as a connection that broke: the SDK decides
		return network
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.hosts[host]
	h.failed++
	h.last = cause
	e := &contactError{NetworkError: network, wait: 300 * time.Millisecond, again: h.failed < firstTries}
	if h.reached {
		e.wait, e.again = time.Second, h.failed < laterTries
	}
	if !e.again {
		h.stop()
		h.failed = 0 // another call begins again
	}
	return e
}

// contactError reports a host that can't be reached.
type contactError struct {
	*api.NetworkError
	again bool
	wait  time.Duration
}

// RetryableError implements the SDK's interface for errors that decide about a retry.
func (e *contactError) RetryableError() bool { return e.again }

// Unwrap returns the error without the part for the SDK.
func (e *contactError) Unwrap() error { return e.NetworkError }

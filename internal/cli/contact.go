package cli

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

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
)

// contacts records which hosts have responded. A host that can't be reached is given up
// after a few attempts, because it is unlikely to respond within the two minutes that
// throttled calls get. It is safe for concurrent use.
type contacts struct {
	note func(format string, args ...any)

	mu    sync.Mutex
	hosts map[string]*contact
}

type contact struct {
	reached bool
	failed  int // in a row
	last    error
	slow    *time.Timer // until the first answer
}

func newContacts(note func(format string, args ...any)) *contacts {
	return &contacts{note: note, hosts: map[string]*contact{}}
}

// dialer bounds the wait for a connection.
func (c *contacts) dialer(d *net.Dialer) { d.Timeout = dialTimeout }

// watch adds c to the calls of a client. The metadata services of EC2 and ECS are
// exempt: other machines don't have them.
func (c *contacts) watch(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("streamctlContacts", func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		request, ok := in.Request.(*smithyhttp.Request)
		if !ok || linkLocal(request.URL.Hostname()) {
			return next.HandleDeserialize(ctx, in)
		}
		host := request.URL.Host
		c.begin(host)
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

// begin starts to wait for a host's first answer.
func (c *contacts) begin(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[host] == nil {
		c.hosts[host] = &contact{}
	}
	if h := c.hosts[host]; !h.reached && h.slow == nil {
		h.slow = time.AfterFunc(patience, func() { c.waiting(host) })
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

package stack

import (
	"fmt"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// Session is shared by all parts of an operation.
type Session struct {
	// Caller is the identity, account and region of the operation.
	Caller Caller
	// Report gets each progress event, in order, from one goroutine at a time.
	Report func(Event)
	// Poll is the longest pause between two polls of a stack, 3 s in production.
	Poll time.Duration
	// Clock is AWS's time as far as it is known.
	Clock *Clock
}

// Step reports the start of a step.
func (s Session) Step(format string, args ...any) {
	s.Report(Event{Kind: KindStep, Text: fmt.Sprintf(format, args...)})
}

// Waiting reports a wait for something that is not a resource of the stack. It
// lasts until the next event.
func (s Session) Waiting(format string, args ...any) {
	s.Report(Event{Kind: KindWaiting, Text: fmt.Sprintf(format, args...)})
}

// Clock is AWS's clock. A time that is compared with one from AWS comes from it.
type Clock struct {
	// Fixed replaces the clock; nil is this machine's, corrected by the skew.
	Fixed func() time.Time

	skew time.Duration
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	if c.Fixed != nil {
		return c.Fixed()
	}
	return time.Now().Add(c.skew)
}

// Learn reads from a response how far AWS's clock is ahead of this machine's.
func (c *Clock) Learn(response middleware.Metadata) {
	if skew, ok := awsmiddleware.GetAttemptSkew(response); ok {
		c.skew = skew
	}
}

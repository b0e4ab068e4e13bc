// Package pause waits for a time that a context may cut short, and has the one
// seam for time in tests.
package pause

import (
	"context"
	"time"
)

// For waits for d, or until ctx ends: then it returns the cause.
func For(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// Clock is the time of code whose tests talk to a server, and so can't run in a
// bubble of testing/synctest. The zero value is the machine's clock. Code whose
// tests need no socket has no Clock: it calls time.Now and For.
type Clock struct {
	// Time returns the current time; nil is time.Now.
	Time func() time.Time
	// Wait replaces For; nil is For.
	Wait func(context.Context, time.Duration) error
}

// Now returns the current time.
func (c Clock) Now() time.Time {
	if c.Time == nil {
		return time.Now()
	}
	return c.Time()
}

// For waits for d, or until ctx ends: then it returns the cause.
func (c Clock) For(ctx context.Context, d time.Duration) error {
	if c.Wait == nil {
		return For(ctx, d)
	}
	return c.Wait(ctx, d)
}

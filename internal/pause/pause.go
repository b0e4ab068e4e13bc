// Package pause waits for a duration that a context may cut short, and replaces
// the clock in tests.
package pause

import (
	"context"
	"time"
)

// For waits for d or until ctx ends, and then returns ctx's cause.
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

// Clock is the clock of code whose tests talk to a server and therefore can't
// use testing/synctest. The zero value is the machine's clock. Code whose tests
// need no socket doesn't use Clock: it calls time.Now and For.
type Clock struct {
	// Time returns the current time; nil means time.Now.
	Time func() time.Time
	// Wait replaces For; nil means For.
	Wait func(context.Context, time.Duration) error
}

// Now returns the current time.
func (c Clock) Now() time.Time {
	if c.Time == nil {
		return time.Now()
	}
	return c.Time()
}

// For waits for d or until ctx ends, and then returns ctx's cause.
func (c Clock) For(ctx context.Context, d time.Duration) error {
	if c.Wait == nil {
		return For(ctx, d)
	}
	return c.Wait(ctx, d)
}

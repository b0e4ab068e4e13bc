package chaos

import (
	"sync"
	"time"
)

// Clock is the run's time. Two readings are never equal, so a later reading
// always has a later time.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock returns a clock that starts at a time.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now reads the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Microsecond)
	return c.at
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

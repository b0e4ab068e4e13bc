package chaos

import (
	"maps"
	"sync"
)

// Parts that may be unavailable for a while.
const (
	awayPostgres = "postgres"
	awayRedis    = "redis"
	// awaySchema means that a schema is wrong.
	awaySchema = "schema"
)

// Away records the parts that are unavailable now. A part counts as unavailable
// from before it is taken down until after it is restored.
type Away struct {
	mu      sync.Mutex
	things  map[string]bool
	changes map[string]int
}

// Set records that a part goes down or is restored.
func (a *Away) Set(thing string, away bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.things[thing] == away {
		return
	}
	if a.things == nil {
		a.things, a.changes = map[string]bool{}, map[string]int{}
	}
	a.things[thing] = away
	a.changes[thing]++
}

// Since returns a function that reports whether a part has been unavailable at
// any time since the call of Since.
func (a *Away) Since() func(thing string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	things, changes := maps.Clone(a.things), maps.Clone(a.changes)
	return func(thing string) bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return things[thing] || a.changes[thing] != changes[thing]
	}
}

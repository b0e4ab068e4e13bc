package chaos

import (
	"maps"
	"sync"
)

// What may be away for a while.
const (
	awayPostgres = "postgres"
	awayRedis    = "redis"
	// awaySchema says that a schema is wrong.
	awaySchema = "schema"
)

// Away remembers what can't be used just now. Something is away from before it
// is taken until after it is back.
type Away struct {
	mu      sync.Mutex
	things  map[string]bool
	changes map[string]int
}

// Set notes that something goes or is back.
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

// Since gives a question to ask later: was something away at any time since?
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

package query

import (
	"sync"
	"time"
)

const (
	// keptFor is how long the warehouse isn't asked again for what it told.
	keptFor = 5 * time.Minute
	// waitFor is how long it isn't asked again after it failed to tell.
	waitFor = 5 * time.Second
	// sinceTime bounds the wait for something that an answer does without.
	sinceTime = time.Second
)

// memory keeps small facts that the warehouse told, and what it told last while
// it can't be asked. Its zero value is empty; it may be used concurrently.
type memory[T any] struct {
	mu    sync.Mutex
	facts map[string]fact[T]
	// failed is why it isn't asked until a time.
	failed error
	until  time.Time
}

type fact[T any] struct {
	value T
	again time.Time // when to ask again
}

// recall gives a fact, asking where it isn't known. What isn't there is not
// kept: clients make names up.
func (m *memory[T]) recall(name string, now time.Time, ask func() (T, bool, error)) (value T, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, known := m.facts[name]
	if known && now.Before(f.again) {
		return f.value, true, nil
	}
	if !now.Before(m.until) {
		m.failed = nil
		if value, ok, err = ask(); err != nil {
			m.failed, m.until = err, now.Add(waitFor)
		}
	}
	switch {
	case m.failed != nil && known: // it will hardly have changed
		return f.value, true, nil
	case m.failed != nil:
		return value, false, m.failed
	case !ok:
		delete(m.facts, name)
		return value, false, nil
	}
	if m.facts == nil {
		m.facts = map[string]fact[T]{}
	}
	m.facts[name] = fact[T]{value, now.Add(keptFor)}
	return value, true, nil
}

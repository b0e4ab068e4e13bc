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

// ttlCache caches small values of the warehouse, and keeps the last ones while the
// warehouse is unavailable. Its zero value is empty; it may be used concurrently.
type ttlCache[T any] struct {
	mu      sync.Mutex
	entries map[string]entry[T]
	// failed is why the warehouse is not asked before until.
	failed error
	until  time.Time
}

type entry[T any] struct {
	value T
	again time.Time // of the next question to the warehouse
}

// get returns a value, and asks the warehouse for it if it is not cached. Missing
// values are not cached: clients invent names.
func (m *ttlCache[T]) get(name string, now time.Time, ask func() (T, bool, error)) (value T, ok bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, known := m.entries[name]
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
	case m.failed != nil && known: // it has hardly changed
		return f.value, true, nil
	case m.failed != nil:
		return value, false, m.failed
	case !ok:
		delete(m.entries, name)
		return value, false, nil
	}
	if m.entries == nil {
		m.entries = map[string]entry[T]{}
	}
	m.entries[name] = entry[T]{value, now.Add(keptFor)}
	return value, true, nil
}

package query

import (
	"sync"
	"time"
)

const (
	// keptFor is how long a value is cached.
	keptFor = 5 * time.Minute
	// waitFor is the pause after a failure of the warehouse.
	waitFor = 5 * time.Second
	// sinceTime is the timeout for a value that a response can do without.
	sinceTime = time.Second
)

// ttlCache caches small values of the warehouse, and keeps them while the
// warehouse is unavailable. Its zero value is empty; it is safe for concurrent
// use.
type ttlCache[T any] struct {
	mu      sync.Mutex
	entries map[string]entry[T]
	// failed is the warehouse's last error; it is not asked again before until.
	failed error
	until  time.Time
}

type entry[T any] struct {
	value T
	again time.Time // when to ask the warehouse again
}

// get returns a value; if it is not cached, it asks the warehouse. Missing
// values are not cached, because clients may send arbitrary names.
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
	case m.failed != nil && known: // such values hardly change
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

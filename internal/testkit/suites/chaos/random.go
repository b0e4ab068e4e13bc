package chaos

import (
	"math/rand/v2"
	"sync"
)

// Random is a source of a seed's numbers that may be used concurrently.
type Random struct {
	mu sync.Mutex
	r  *rand.Rand
}

// NewRandom makes a source; purpose tells the sources of one seed apart.
func NewRandom(seed uint64, purpose uint64) *Random {
	return &Random{r: rand.New(rand.NewPCG(seed, purpose))}
}

// IntN is from 0 to n-1.
func (r *Random) IntN(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.IntN(n)
}

// Percent is true that often.
func (r *Random) Percent(n int) bool { return r.IntN(100) < n }

// Read fills b, as the random bytes of ids.
func (r *Random) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range b {
		b[i] = byte(r.r.Uint32())
	}
	return len(b), nil
}

package chaos

import (
	"math/rand/v2"
	"sync"
)

// Random generates a seed's random numbers. It is safe for concurrent use.
type Random struct {
	mu sync.Mutex
	r  *rand.Rand
}

// NewRandom returns a generator; purpose distinguishes the generators of one
// seed.
func NewRandom(seed uint64, purpose uint64) *Random {
	return &Random{r: rand.New(rand.NewPCG(seed, purpose))}
}

// IntN returns a number from 0 to n-1.
func (r *Random) IntN(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.IntN(n)
}

// Percent returns true with a probability of n percent.
func (r *Random) Percent(n int) bool { return r.IntN(100) < n }

// Read fills b, for the random bytes of ids.
func (r *Random) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range b {
		b[i] = byte(r.r.Uint32())
	}
	return len(b), nil
}

package chaos

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// seeds returns the seeds to run: 25 fixed ones, STREAMCTL_CHAOS_RUNS new ones,
// or only STREAMCTL_CHAOS_SEED.
func seeds(t *testing.T) []uint64 {
	t.Helper()
	number := func(name string) (uint64, bool) {
		text := os.Getenv(name)
		if text == "" {
			return 0, false
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n, true
	}
	if seed, ok := number("STREAMCTL_CHAOS_SEED"); ok {
		return []uint64{seed}
	}
	runs, first := uint64(25), uint64(1)
	if n, ok := number("STREAMCTL_CHAOS_RUNS"); ok {
		runs, first = n, uint64(time.Now().Unix())
	}
	all := make([]uint64, runs)
	for i := range all {
		all[i] = first + uint64(i)
	}
	return all
}

func TestNothingLostNothingTwice(t *testing.T) {
	all := seeds(t)
	killed, frozen := 0, 0
	for _, seed := range all {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			began := time.Now()
			r := Run(t, servers(t), seed)
			t.Logf("%v (%.1fs)", r, time.Since(began).Seconds())
			killed, frozen = killed+r.Killed, frozen+r.Frozen
			if len(r.Failed) > 0 {
				t.Errorf("to repeat, set STREAMCTL_CHAOS_SEED=%d", seed)
			}
		})
	}
	t.Logf("%d runs: %d invocations killed, %d frozen", len(all), killed, frozen)
	if len(all) >= 25 && (killed == 0 || frozen == 0) {
		t.Error("the runs break too little for a meaningful test")
	}
}

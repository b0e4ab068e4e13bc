package cfn

import (
	"context"
	"slices"
	"sync"
)

// walk runs step for every id, in parallel, each after its dependencies. It
// does not run dependents of a failed step. With stop, the first failure also
// cancels running steps and starts no other. It returns the failed ids.
func walk(ctx context.Context, ids []string, waitsFor map[string][]string, stop bool, step func(ctx context.Context, id string) error) []string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu     sync.Mutex
		failed []string
		wg     sync.WaitGroup
	)
	type outcome struct {
		done chan struct{}
		ok   bool
	}
	outcomes := map[string]*outcome{}
	for _, id := range ids {
		outcomes[id] = &outcome{done: make(chan struct{})}
	}
	for _, id := range ids {
		wg.Go(func() {
			own := outcomes[id]
			defer close(own.done)
			for _, other := range waitsFor[id] {
				o, ok := outcomes[other]
				if !ok {
					continue
				}
				<-o.done
				if !o.ok {
					return
				}
			}
			if ctx.Err() != nil {
				return
			}
			if err := step(ctx, id); err != nil {
				mu.Lock()
				failed = append(failed, id)
				mu.Unlock()
				if stop {
					cancel()
				}
				return
			}
			own.ok = true
		})
	}
	wg.Wait()
	slices.Sort(failed)
	return failed
}

// reversed reverses "waits for", for deletions.
func reversed(waitsFor map[string][]string) map[string][]string {
	out := map[string][]string{}
	for id, others := range waitsFor {
		for _, other := range others {
			out[other] = append(out[other], id)
		}
	}
	return out
}

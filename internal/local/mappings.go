package local

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/dirbucket"
	"github.com/streamctl/streamctl/internal/local/gateway"
	"github.com/streamctl/streamctl/internal/local/mapper"
	"github.com/streamctl/streamctl/internal/local/stream"
)

// poll is the pause after an empty read of a shard.
const poll = 25 * time.Millisecond

// tryFor is how long a record that fails alone is tried. Time during which the
// machine was off or the database was down does not count.
const tryFor = 24 * time.Hour

// onThisMachine removes the limits of a mapping that would drop records only
// because the machine was switched off.
func onThisMachine(s contract.Mapping) contract.Mapping {
	s.RecordAgeSeconds, s.Retries = -1, -1
	return s
}

// mapping is a running event source mapping.
type mapping struct {
	name string
	*mapper.Mapper
	checkpoints *checkpoints
}

// newMapping returns the mapping of a function, which resumes at the saved
// checkpoints.
func newMapping(s *stream.Stream, f *function, settings contract.Mapping, onFailure dirbucket.Bucket, c *checkpoints, blame func(context.Context) bool, log *slog.Logger) (*mapping, error) {
	arn := func(service, resource string) string {
		return "arn:aws:" + service + ":us-east-1:" + gateway.Account + ":" + resource
	}
	o := mapper.Options{
		UUID:        uuid.NewSHA1(uuid.NameSpaceOID, []byte("streamctl local "+f.name)).String(),
		FunctionARN: arn("lambda", "function:"+f.name), StreamARN: arn("kinesis", "stream/events"), Region: "us-east-1", RoleARN: arn("iam", "role/"+f.name),
		Settings: onThisMachine(settings), Source: s, Checkpoints: c.get(), Checkpoint: c.set, Poll: poll, Log: log.With("mapping", f.name),
		Blame: blame,
		Invoker: mapper.InvokerFunc(func(ctx context.Context, payload []byte) (mapper.Result, error) {
			answer, err := f.Invoke(ctx, payload)
			if err != nil {
				log.ErrorContext(ctx, "function failed", "function", f.name, "err", err)
			}
			return mapper.Result{Payload: answer, Failed: err != nil}, nil
		}),
	}
	if settings.OnFailure { // without a destination no record is given up
		o.OnFailure, o.TryFor = onFailure, tryFor
		o.Tried, o.Trying = c.triedNow(), c.trying
	}
	m, err := mapper.New(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return &mapping{name: f.name, Mapper: m, checkpoints: c}, nil
}

// run reads until ctx ends and then waits for running invocations.
func (m *mapping) run(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(func() { _ = m.Run(ctx) }) // returns only when ctx ends
}

package invocation

import (
	"context"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
)

// reportFromPercent is the share of its timeout, in percent, from which an
// invocation is reported. Most invocations take a small share, and a line for
// each would cost more than the rest of the log.
const reportFromPercent = 50

// Timed returns a handler that emits contract.MetricTimeUsed after an
// invocation that took at least half of its timeout. Lambda itself counts
// invocations that time out as errors.
func Timed(handler Handler, metrics emf.Emitter) Handler {
	return timed{handler, metrics}
}

type timed struct {
	Handler
	metrics emf.Emitter
}

// Invoke runs the handler and measures the time.
func (t timed) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	begin := time.Now()
	response, err := t.Handler.Invoke(ctx, payload)
	deadline, ok := ctx.Deadline()
	if !ok || !deadline.After(begin) {
		return response, err
	}
	used := 100 * time.Since(begin).Seconds() / deadline.Sub(begin).Seconds()
	if used >= reportFromPercent {
		t.metrics.Emit(ctx, emf.Metric{Name: contract.MetricTimeUsed, Value: used, Unit: emf.Percent})
	}
	return response, err
}

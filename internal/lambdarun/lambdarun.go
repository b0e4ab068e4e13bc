// Package lambdarun runs a function's handler as Lambda's runtime wants it, and
// tells when an invocation comes near its timeout.
package lambdarun

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
)

// Metrics takes counts; *emf.Writer does.
type Metrics interface {
	Emit(metrics ...emf.Metric) error
}

// worthTelling is the percent of its timeout from which on an invocation is
// told of. Most take a small part of it, and a line for each would be a bill.
const worthTelling = 50

// Start serves invocations with a handler function and doesn't return.
func Start(handle any, metrics Metrics, log *slog.Logger) {
	lambda.Start(Timed(handle, metrics, log, time.Now))
}

// Timed is a handler that emits contract.MetricTimeUsed after an invocation that
// took more than half of its time. An invocation that Lambda ends is counted by
// Lambda, as an error.
func Timed(handle any, metrics Metrics, log *slog.Logger, now func() time.Time) lambda.Handler {
	return timed{lambda.NewHandler(handle), metrics, log, now}
}

type timed struct {
	lambda.Handler
	metrics Metrics
	log     *slog.Logger
	now     func() time.Time
}

// Invoke passes an invocation on and looks at the clock before and after.
func (t timed) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	begun := t.now()
	answer, err := t.Handler.Invoke(ctx, payload)
	deadline, ok := ctx.Deadline()
	if !ok || !deadline.After(begun) {
		return answer, err
	}
	used := 100 * t.now().Sub(begun).Seconds() / deadline.Sub(begun).Seconds()
	if used >= worthTelling {
		if err := t.metrics.Emit(emf.Metric{Name: contract.MetricTimeUsed, Value: used, Unit: emf.Percent}); err != nil {
			t.log.ErrorContext(ctx, "metrics not written", "err", err)
		}
	}
	return answer, err
}

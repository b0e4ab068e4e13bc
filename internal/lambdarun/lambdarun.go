// Package lambdarun runs a function's handler in the Lambda runtime and reports
// invocations that come close to their timeout.
package lambdarun

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
)

// Runtime holds the clients and the log of a running function.
type Runtime struct {
	// AWS has the region, the credentials and an HTTP client.
	AWS     aws.Config
	Getenv  func(string) string
	Metrics emf.Emitter
	Log     *slog.Logger
}

// Run loads a function's environment, creates its handler with open, and serves
// invocations. It returns only if the function can't start, with the program's
// exit code.
func Run[E any](getenv func(string) string, stdout, stderr io.Writer, load func(func(string) string) (E, error), open func(E, Runtime) (lambda.Handler, error)) int {
	log := slog.New(WithRequestID(slog.NewJSONHandler(stderr, nil)))
	handler, err := start(getenv, stdout, log, load, open)
	if err != nil {
		log.Error("invalid environment", "err", err)
		return 1
	}
	lambda.Start(handler)
	return 0
}

func start[E any](getenv func(string) string, stdout io.Writer, log *slog.Logger, load func(func(string) string) (E, error), open func(E, Runtime) (lambda.Handler, error)) (lambda.Handler, error) {
	env, envErr := load(getenv)
	cfg, cfgErr := awshttp.Config(getenv)
	if err := errors.Join(envErr, cfgErr); err != nil {
		return nil, err
	}
	stack := contract.StackName(getenv)
	log = log.With("stack", stack)
	r := Runtime{AWS: cfg, Getenv: getenv, Metrics: &emf.Writer{Out: stdout, Stack: stack, Log: log}, Log: log}
	return open(env, r)
}

// reportFromPercent is the share of its timeout, in percent, from which an
// invocation is reported. Most invocations take a small share, and a line for
// each would cost more than the rest of the log.
const reportFromPercent = 50

// Timed returns a handler that emits contract.MetricTimeUsed after an
// invocation that took at least half of its timeout. Lambda itself counts
// invocations that time out as errors.
func Timed(handle any, metrics emf.Emitter) lambda.Handler {
	return timed{lambda.NewHandler(handle), metrics}
}

type timed struct {
	lambda.Handler
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

// Package lambdarun runs a function's handler in the Lambda runtime.
package lambdarun

import (
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/invocation"
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
	log := slog.New(invocation.WithRequestID(slog.NewJSONHandler(stderr, nil)))
	handler, err := start(getenv, stdout, log, load, open)
	if err != nil {
		log.Error("invalid environment", "err", err)
		return 1
	}
	if limit := MemoryLimit(getenv); limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	lambda.Start(handler)
	return 0
}

// MemoryLimit returns the memory from which garbage is collected more often: 80 % of the
// function's memory, in bytes; 0 outside of Lambda.
func MemoryLimit(getenv func(string) string) int64 {
	megabytes, err := strconv.ParseInt(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64)
	if err != nil || megabytes <= 0 {
		return 0
	}
	return megabytes << 20 / 5 * 4
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

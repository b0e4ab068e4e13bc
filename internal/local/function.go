package local

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/invocation"
)

// environment is a function's execution environment: it runs one invocation at
// a time and may keep connections open.
type environment struct {
	invocation.Handler
	close func(context.Context) error
}

// function runs a handler as Lambda does: each concurrent invocation has an
// environment of its own and a deadline. An invocation over the concurrency
// limit waits, where Lambda would throttle it.
type function struct {
	name    string
	timeout time.Duration
	open    func() (environment, error)
	places  chan struct{}
	meters  *Meters

	mu   sync.Mutex
	idle []environment
}

func newFunction(name string, timeout time.Duration, most int, meters *Meters, open func() (environment, error)) *function {
	return &function{name: name, timeout: timeout, open: open, places: make(chan struct{}, most), meters: meters}
}

// Invoke runs one invocation. The error is either the function's or ctx's
// cause.
func (f *function) Invoke(ctx context.Context, payload []byte) (answer []byte, err error) {
	select {
	case f.places <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-f.places }()
	begin, running := time.Now(), len(f.places)
	defer func() { f.meters.invoked(f.name, time.Since(begin), running, err) }()
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	ctx = lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: uuid.NewString()})
	env, err := f.take()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", f.name, err)
	}
	defer func() {
		if cause := recover(); cause != nil { // Lambda would end the process
			err = errors.Join(fmt.Errorf("%s: panic: %v\n%s", f.name, cause, debug.Stack()), env.close(context.WithoutCancel(ctx)))
			return
		}
		f.put(env)
	}()
	return env.Invoke(ctx, payload)
}

func (f *function) take() (environment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.idle)
	if n == 0 {
		return f.open()
	}
	env := f.idle[n-1]
	f.idle = f.idle[:n-1]
	return env, nil
}

func (f *function) put(env environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, env)
}

// Close closes the idle environments. Call it when no invocation is running.
func (f *function) Close(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, env := range f.idle {
		errs = append(errs, env.close(ctx))
	}
	f.idle = nil
	return errors.Join(errs...)
}

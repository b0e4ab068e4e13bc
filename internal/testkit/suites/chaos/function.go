package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/local/mapper"
)

// Fault is a fault of one invocation.
type Fault int

// Faults. A cut closes the connection, a kill ends the whole execution
// environment.
const (
	NoFault Fault = iota
	CutBeforeCommit
	CutAfterCommit
	KillBeforeCommit
	KillAfterCommit // before Redis is updated
	KillAfterRedis  // before the response
	KillBeforePut
	KillAfterPut
	RefusePut
	KillAtEnd
)

// errKilled ends everything in a killed environment.
var errKilled = errors.New("killed")

// functionTimeout is the function's timeout, much shorter than the real one.
const functionTimeout = 20 * time.Second

// atATime is the maximum number of environments.
const atATime = 8

// handler is one execution environment.
type handler interface {
	// handle handles an invocation; kill ends the environment.
	handle(ctx context.Context, e events.KinesisEvent, f Fault, kill func()) (events.KinesisEventResponse, error)
	close(ctx context.Context) error
}

// Function runs invocations in reused environments, like Lambda.
type Function struct {
	open func(context.Context) (handler, error)
	// fault chooses the fault of an invocation; nil means none.
	fault func() Fault
	slots chan struct{}

	mu   sync.Mutex
	free []handler
	// counters
	invocations, errors, killed int
	lastError                   error
	// instead runs one invocation differently, after pass invocations.
	instead func(ctx context.Context, payload []byte) (mapper.Result, error)
	pass    int
}

func newFunction(open func(context.Context) (handler, error)) *Function {
	return &Function{open: open, slots: make(chan struct{}, atATime)}
}

// Invoke runs the function once.
func (f *Function) Invoke(ctx context.Context, payload []byte) (mapper.Result, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return mapper.Result{}, context.Cause(ctx)
	}
	h, instead, err := f.take(ctx)
	if err != nil {
		return mapper.Result{}, err
	}
	if instead != nil {
		return instead(ctx, payload)
	}
	var e events.KinesisEvent
	if err := json.Unmarshal(payload, &e); err != nil {
		return mapper.Result{}, err
	}
	fault := NoFault
	var choose func() Fault
	f.note(func() { choose = f.fault })
	if choose != nil {
		fault = choose()
	}
	own, kill := context.WithCancelCause(ctx)
	defer kill(nil)
	limited, cancel := context.WithTimeout(own, functionTimeout)
	defer cancel()
	resp, err := h.handle(limited, e, fault, func() { kill(errKilled) })
	if fault == KillAtEnd || errors.Is(context.Cause(own), errKilled) {
		f.note(func() { f.killed++ })
		return mapper.Result{Failed: true, Payload: []byte(`{"errorMessage":"killed"}`)}, h.close(context.WithoutCancel(ctx))
	}
	f.put(h)
	if err != nil {
		f.note(func() { f.errors++; f.lastError = err })
		return mapper.Result{Failed: true, Payload: []byte(`{"errorMessage":"error"}`)}, nil
	}
	answer, err := json.Marshal(resp)
	if err != nil {
		return mapper.Result{}, fmt.Errorf("encode answer: %w", err)
	}
	return mapper.Result{Payload: answer}, nil
}

func (f *Function) note(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *Function) take(ctx context.Context) (h handler, instead func(context.Context, []byte) (mapper.Result, error), err error) {
	f.mu.Lock()
	f.invocations++
	if f.pass > 0 {
		f.pass--
	} else if instead = f.instead; instead != nil {
		f.instead = nil
		f.mu.Unlock()
		return nil, instead, nil
	}
	if n := len(f.free); n > 0 {
		h, f.free = f.free[n-1], f.free[:n-1]
		f.mu.Unlock()
		return h, nil, nil
	}
	f.mu.Unlock()
	h, err = f.open(ctx)
	return h, nil, err
}

func (f *Function) put(h handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = append(f.free, h)
}

// Close closes all environments.
func (f *Function) Close(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, h := range f.free {
		errs = append(errs, h.close(ctx))
	}
	f.free = nil
	return errors.Join(errs...)
}

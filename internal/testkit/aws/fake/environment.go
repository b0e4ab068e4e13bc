package fake

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// environmentSpec describes an execution environment.
type environmentSpec struct {
	path      string
	variables []string
	function  *function
	log       func(line string)
	spawn     func(func(context.Context))
}

// environment is one execution environment: a bootstrap process and the Runtime
// API that it polls.
type environment struct {
	spec   environmentSpec
	cmd    *exec.Cmd
	next   chan *invocation // for the bootstrap's next poll
	exited chan struct{}    // closed when the process has ended
	kill   func()

	mu      sync.Mutex
	current *invocation
	fatal   []byte // the body of init/error
}

// invocation is one event for a bootstrap.
type invocation struct {
	id      string
	payload []byte
	timeout time.Duration // starts when the bootstrap fetches the event
	done    chan result
	// stream receives the response as it comes; nil for a whole response.
	stream io.Writer
}

// startEnvironment starts the Runtime API and the process.
func startEnvironment(ctx context.Context, spec environmentSpec) (*environment, error) {
	if err := executable(spec.path); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open runtime API: %w", err)
	}
	e := &environment{spec: spec, next: make(chan *invocation), exited: make(chan struct{})}
	e.cmd = exec.CommandContext(context.WithoutCancel(ctx), spec.path) // it outlives its first invocation; call kill
	e.cmd.Dir = filepath.Dir(spec.path)
	e.cmd.Env = append(spec.variables, "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	e.cmd.SysProcAttr = childAttributes()
	output, input := io.Pipe()
	e.cmd.Stdout, e.cmd.Stderr = input, input
	server := &http.Server{Handler: http.HandlerFunc(e.serve), ReadHeaderTimeout: 10 * time.Second}
	if err := e.cmd.Start(); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("start bootstrap: %w", err)
	}
	e.kill = sync.OnceFunc(func() {
		_ = e.cmd.Process.Kill() // it may have ended already
		_ = server.Close()
	})
	go func() { _ = server.Serve(listener) }() // ErrServerClosed after kill
	go e.copyLog(output)
	go func() {
		_ = e.cmd.Wait() // ProcessState has the exit status
		_ = input.Close()
		close(e.exited)
	}()
	spec.spawn(func(ctx context.Context) { // the process ends with the fake
		select {
		case <-ctx.Done():
			e.kill()
			<-e.exited
		case <-e.exited:
			e.kill()
		}
	})
	return e, nil
}

func (e *environment) dead() bool {
	select {
	case <-e.exited:
		return true
	default:
		return false
	}
}

func (e *environment) copyLog(output io.Reader) {
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		if line = strings.TrimRight(line, "\n"); line != "" {
			e.spec.log(line)
		}
		if err != nil {
			return
		}
	}
}

// run passes one event to the bootstrap and waits for its response, its exit or
// the timeout; alive reports whether it can handle another event.
func (e *environment) run(ctx context.Context, id string, payload []byte, timeout time.Duration, stream io.Writer) (res result, alive bool) {
	inv := &invocation{id: id, payload: payload, timeout: timeout, done: make(chan result, 1), stream: stream}
	const initLimit = 10 * time.Second // Lambda's limit for the init phase
	limit := time.NewTimer(initLimit)
	defer limit.Stop()
	select {
	case e.next <- inv:
	case <-e.exited:
		return e.crashed(id), false
	case <-limit.C:
		return failedResult(id, "Sandbox.Timedout", "RequestId: "+id+" Error: Init phase took more than 10 seconds"), false
	case <-ctx.Done():
		return failedResult(id, "Sandbox.Failure", context.Cause(ctx).Error()), true
	}
	start := time.Now()
	e.spec.log("START RequestId: " + id + " Version: $LATEST")
	limit.Reset(timeout)
	alive = true
	select {
	case res = <-inv.done:
	case <-e.exited:
		res, alive = e.crashed(id), false
		select {
		case res = <-inv.done: // it responded and then ended
		default:
		}
	case <-limit.C:
		alive = false
		message := fmt.Sprintf("%s %s Task timed out after %.2f seconds", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), id, timeout.Seconds())
		e.spec.log(message)
		res = failedResult(id, "Sandbox.Timedout", "RequestId: "+id+" Error: Task timed out after "+fmt.Sprintf("%.2f", timeout.Seconds())+" seconds")
	case <-ctx.Done():
		alive = false
		res = failedResult(id, "Sandbox.Failure", context.Cause(ctx).Error())
	}
	res.requestID = id
	e.spec.log("END RequestId: " + id)
	e.spec.log(fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms", id, float64(time.Since(start).Microseconds())/1000))
	return res, alive
}

func (e *environment) crashed(id string) result {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fatal != nil {
		return result{payload: e.fatal, functionError: "Unhandled", requestID: id}
	}
	state := "unknown"
	if e.cmd.ProcessState != nil {
		state = e.cmd.ProcessState.String()
	}
	return failedResult(id, "Runtime.ExitError", "RequestId: "+id+" Error: Runtime exited with error: "+state)
}

// serve is the Runtime API.
func (e *environment) serve(w http.ResponseWriter, r *http.Request) {
	const prefix = "/2018-06-01/runtime/"
	path, ok := strings.CutPrefix(r.URL.Path, prefix)
	switch {
	case !ok:
		http.NotFound(w, r)
	case r.Method == http.MethodGet && path == "invocation/next":
		e.serveNext(w, r)
	case r.Method == http.MethodPost && path == "init/error":
		body, err := io.ReadAll(r.Body)
		if err == nil {
			e.mu.Lock()
			e.fatal = body
			e.mu.Unlock()
		}
		accept(w)
	case r.Method == http.MethodPost:
		e.serveAnswer(w, r, path)
	default:
		http.NotFound(w, r)
	}
}

func (e *environment) serveNext(w http.ResponseWriter, r *http.Request) {
	select {
	case inv := <-e.next:
		e.mu.Lock()
		e.current = inv
		e.mu.Unlock()
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(inv.timeout).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", e.spec.function.arn)
		h.Set("Lambda-Runtime-Trace-Id", "Root=1-"+wire.NewID(4)+"-"+wire.NewID(12)+";Sampled=0")
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(inv.payload) // a crash of the bootstrap is detected by its exit
	case <-r.Context().Done():
	case <-e.exited:
	}
}

func (e *environment) serveAnswer(w http.ResponseWriter, r *http.Request, path string) {
	rest, ok := strings.CutPrefix(path, "invocation/")
	id, verb, _ := strings.Cut(rest, "/")
	e.mu.Lock()
	inv := e.current
	known := ok && inv != nil && inv.id == id && (verb == "response" || verb == "error")
	if known {
		e.current = nil
	}
	e.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`))
		return
	}
	if inv.stream != nil && verb == "response" {
		inv.done <- streamResponse(inv, r)
		accept(w)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the bootstrap crashed while it responded
	}
	res := result{payload: body}
	const limit = 6<<20 + 100 // Lambda's limit for a response
	switch {
	case verb == "error":
		res.functionError = "Unhandled"
	case len(body) > limit:
		res = failedResult(id, "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes).")
	case len(body) > 0 && !json.Valid(body):
		res = failedResult(id, "Runtime.InvalidResponse", "RequestId: "+id+" Error: the answer is not JSON")
	}
	accept(w)
	inv.done <- res
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"status":"OK"}`))
}

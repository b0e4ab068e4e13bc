package fake

import (
	"bytes"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// PrincipalUser is the Principal of the user's own key.
const PrincipalUser = "user"

// Call is one request that the fake served.
type Call struct {
	At time.Time
	// Principal is a function's logical id, or PrincipalUser.
	Principal string
	// Service and Action are IAM's names: "s3", "PutObject".
	Service, Action string
	// Operation is the API's name if it differs from IAM's: HeadObject is
	// authorized as GetObject.
	Operation string
	// Resource is the resource by which IAM authorizes the call; "*" if there
	// isn't one or the fake doesn't know it.
	Resource string
	// Status is the HTTP status; Code is the error code of a failed call.
	Status int
	Code   string
}

// recorder stores calls and the faults to inject into later calls.
type recorder struct {
	mu     sync.Mutex
	calls  []Call
	faults []*fault
}

type fault struct {
	service, action string
	err             *wire.Error
	left            int
}

func (r *recorder) add(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
}

// take returns the fault to inject into a call, if any.
func (r *recorder) take(service, action, operation string) *wire.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.faults {
		if f.left > 0 && f.service == service && (f.action == action || f.action == operation || f.action == "*") {
			f.left--
			return f.err
		}
	}
	return nil
}

// Calls lists all calls, oldest first.
func (f Recording) Calls() []Call {
	f.recorder.mu.Lock()
	defer f.recorder.mu.Unlock()
	return slices.Clone(f.recorder.calls)
}

// ResetCalls deletes the recorded calls and the remaining faults.
func (f Recording) ResetCalls() {
	f.recorder.mu.Lock()
	defer f.recorder.mu.Unlock()
	f.recorder.calls, f.recorder.faults = nil, nil
}

// FailCall makes the next n calls of an action fail. Action is IAM's or the
// API's name, or "*".
func (f Recording) FailCall(service, action string, status int, code, message string, n int) {
	f.recorder.mu.Lock()
	defer f.recorder.mu.Unlock()
	f.recorder.faults = append(f.recorder.faults, &fault{
		service: service, action: action, left: n, err: &wire.Error{Status: status, Code: code, Message: message},
	})
}

// Throttle makes the next n calls of an action fail with the service's
// throttling error.
func (f Recording) Throttle(service, action string, n int) {
	status, code := throttled(service)
	f.FailCall(service, action, status, code, "Rate exceeded", n)
}

// Throttled returns a service's throttling error, for Options.Before.
func Throttled(service string) error {
	status, code := throttled(service)
	return &wire.Error{Status: status, Code: code, Message: "Rate exceeded"}
}

func throttled(service string) (status int, code string) {
	switch service {
	case "cloudformation", "rds", "elasticache", "sts", "iam":
		return http.StatusBadRequest, "Throttling"
	case "s3":
		return http.StatusServiceUnavailable, "SlowDown"
	case "lambda", "apigateway":
		return http.StatusTooManyRequests, "TooManyRequestsException"
	case "kinesis":
		return http.StatusBadRequest, "ProvisionedThroughputExceededException"
	}
	return http.StatusBadRequest, "ThrottlingException"
}

// answer buffers a response's status and error code for the record.
type answer struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	// streamed is set when the status was sent.
	streamed bool
}

func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }

// FlushError sends a part of a streamed response, before the call is recorded.
func (a *answer) FlushError() error {
	if !a.streamed {
		a.streamed = true
		a.ResponseWriter.WriteHeader(a.status)
	}
	if _, err := a.body.WriteTo(a.ResponseWriter); err != nil {
		return err
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// send is called after the call is recorded, so that a client that has the
// response finds the record.
func (a *answer) send() {
	if !a.streamed {
		a.ResponseWriter.WriteHeader(a.status)
	}
	_, _ = a.body.WriteTo(a.ResponseWriter) // fails only if the client has disconnected
}

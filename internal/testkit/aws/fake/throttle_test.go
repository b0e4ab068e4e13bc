package fake

import (
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// TestThrottleByVerb looks settings up as API Gateway does: by the verb of the request,
// also for a method for ANY.
func TestThrottleByVerb(t *testing.T) {
	const path = "/~1v1~1{proxy+}"
	setting := func(path, verb, rate string) any {
		return map[string]any{"ResourcePath": path, "HttpMethod": verb, "ThrottlingRateLimit": rate}
	}
	for name, c := range map[string]struct {
		settings []any
		want     bool
	}{
		"none":                     {nil, false},
		"for ANY":                  {[]any{setting("/*", "*", "100"), setting(path, "ANY", "0")}, false},
		"for the verb":             {[]any{setting("/*", "*", "100"), setting(path, "POST", "0")}, true},
		"for another verb":         {[]any{setting("/*", "*", "100"), setting(path, "GET", "0")}, false},
		"for each verb":            {[]any{setting("/*", "*", "100"), setting(path, "*", "0")}, true},
		"for another path":         {[]any{setting("/*", "*", "100"), setting("/~1events", "POST", "0")}, false},
		"of the stage":             {[]any{setting("/*", "*", "0")}, true},
		"of the stage, and ANY":    {[]any{setting("/*", "*", "0"), setting(path, "ANY", "25")}, true},
		"of the stage, not of one": {[]any{setting(path, "POST", "25"), setting("/*", "*", "0")}, false},
		"a bucket that is full":    {[]any{map[string]any{"ResourcePath": path, "HttpMethod": "POST", "ThrottlingRateLimit": "1", "ThrottlingBurstLimit": "1"}}, false},
	} {
		x := &exchange{
			Request: httptest.NewRequestWithContext(t.Context(), "POST", "/v1/batch", nil),
			route:   &route{method: "ANY", template: "/v1/{proxy+}"},
			stage:   &physical{props: map[string]any{"MethodSettings": c.settings}},
		}
		if got := (&apis{}).throttled(x); got != c.want {
			t.Errorf("setting %s: throttled is %t", name, got)
		}
	}
}

// TestThrottleByRate empties the bucket of a method; another verb has its own.
func TestThrottleByRate(t *testing.T) {
	limit := func(verb string) any {
		return map[string]any{"ResourcePath": "/~1v1~1{proxy+}", "HttpMethod": verb, "ThrottlingRateLimit": "0.001", "ThrottlingBurstLimit": "3"}
	}
	stage := &physical{props: map[string]any{"MethodSettings": []any{limit("POST"), limit("GET")}}}
	a := &apis{}
	throttled := func(verb string) (n int) {
		for range 5 {
			x := &exchange{Request: httptest.NewRequestWithContext(t.Context(), verb, "/v1/batch", nil), route: &route{method: "ANY", template: "/v1/{proxy+}"}, stage: stage}
			if a.throttled(x) {
				n++
			}
		}
		return n
	}
	if post, get := throttled("POST"), throttled("GET"); post != 2 || get != 2 {
		t.Errorf("%d of 5 POST and %d of 5 GET are throttled, want 2", post, get)
	}
}

// TestThrottledFunction rejects invocations above the reserved concurrency, or the
// account's, immediately.
func TestThrottledFunction(t *testing.T) {
	for name, c := range map[string]struct {
		props   map[string]any
		running int64
		want    string
	}{
		"free":             {map[string]any{"ReservedConcurrentExecutions": 3}, 2, ""},
		"full":             {map[string]any{"ReservedConcurrentExecutions": 3}, 3, "ReservedFunctionConcurrentInvocationLimitExceeded"},
		"disabled":         {map[string]any{"ReservedConcurrentExecutions": 0}, 0, "ReservedFunctionConcurrentInvocationLimitExceeded"},
		"unreserved":       {nil, 999, ""},
		"the account full": {nil, 1000, "ConcurrentInvocationLimitExceeded"},
	} {
		fs := &functions{fake: &account{}}
		fn := &function{props: c.props, running: &atomic.Int64{}, slots: make(chan struct{})}
		fn.running.Store(c.running)
		if got := fs.throttled(fn, int(c.running)+1); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if c.want == "" {
			continue
		}
		_, err := fs.invoke(t.Context(), fn, nil)
		if throttled := (*throttledError)(nil); !errors.As(err, &throttled) || fn.running.Load() != c.running {
			t.Errorf("%s: %v, %d running", name, err, fn.running.Load())
		}
	}
}

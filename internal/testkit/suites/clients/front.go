// Package clients sends events with unmodified libraries through a front that loses and
// repeats requests.
package clients

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// Stage is the path in front of the API, as on API Gateway.
const Stage = "/prod"

// Fault is a way to treat a request.
type Fault int

// Faults.
const (
	// None forwards the request.
	None Fault = iota
	// Throttle responds with 429 and Retry-After.
	Throttle
	// Fail responds with 500.
	Fail
	// Lose forwards the request and closes the connection instead of responding.
	Lose
	// Repeat forwards the request twice.
	Repeat
)

// Front forwards requests below Stage to an API, with faults.
type Front struct {
	API string

	mu     sync.Mutex
	faults []Fault
	posts  int
	// beacons is the number of requests below /beacon.
	beacons int
}

// Plan sets the faults of the next POST requests.
func (f *Front) Plan(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults, f.posts = faults, 0
}

// Posts returns the number of POST requests since Plan, and of faults that are left.
func (f *Front) Posts() (posts, left int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.posts, len(f.faults)
}

// Beacons returns the number of requests below /beacon since the start.
func (f *Front) Beacons() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.beacons
}

func (f *Front) next(method, path string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(path, "/beacon/") {
		f.beacons++
	}
	if method != http.MethodPost {
		return None
	}
	f.posts++
	if len(f.faults) == 0 {
		return None
	}
	fault := f.faults[0]
	f.faults = f.faults[1:]
	return fault
}

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, Stage)
	if !ok { // without its stage, nothing of the API is there
		http.Error(w, `{"message":"Forbidden"}`, http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	fault := f.next(r.Method, path)
	if fault == Throttle || fault == Fail {
		// Like the gateway's own responses.
		if origin := r.Header.Get("Origin"); origin != "" {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Expose-Headers", "Retry-After")
		}
		if fault == Throttle {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	answer := f.forward(r, path, body)
	if fault == Repeat {
		answer = f.forward(r, path, body)
	}
	if fault == Lose {
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // a client may be gone
}

// forward sends a request to the API; an API that is gone is a 502.
func (f *Front) forward(r *http.Request, path string, body []byte) *httptest.ResponseRecorder {
	out := httptest.NewRecorder()
	target := f.API + path
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	request, err := http.NewRequestWithContext(r.Context(), r.Method, target, bytes.NewReader(body))
	if err != nil {
		out.Code = http.StatusBadGateway
		return out
	}
	request.Header = r.Header.Clone()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		out.Code = http.StatusBadGateway
		return out
	}
	defer func() { _ = response.Body.Close() }()
	out.Code = response.StatusCode
	for name, values := range response.Header {
		out.Header()[name] = values
	}
	_, _ = io.Copy(out.Body, response.Body)
	return out
}

// Package gateway simulates API Gateway in front of the local functions: its
// routes, checks, limits and error responses, and the events that it creates
// from requests.
package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/webguard"
)

// The local API's identity in proxy events.
const (
	Account = "000000000000"
	Stage   = "local"
	apiID   = "local"
)

// integrationTime is API Gateway's integration timeout.
const integrationTime = 29 * time.Second

// Invoke runs a function with an event. The error is a function error.
type Invoke func(ctx context.Context, payload []byte) ([]byte, error)

// Route is a method of the API with the function that serves it.
type Route struct {
	Method string
	// Path has at most one parameter, as its last part: /metrics/{metric}, or
	// /v1/{proxy+} for any number of parts.
	Path   string
	Invoke Invoke
	// Unsigned routes need no signature, and accept requests of every page: the function
	// checks who sends them. Origins are those that may read the gateway's own errors.
	Unsigned bool
	Origins  []string
	// Limit replaces the stage's limit; nil for none of its own.
	Limit *Limit
}

// AnyMethod is the method of a route for all methods.
const AnyMethod = "ANY"

// Options describe an API.
type Options struct {
	Routes []Route
	// Keys are the callers' access keys. If set, every request needs a
	// signature for Region.
	Keys   *sigv4.Keys
	Region string
	// Origins are the web origins whose pages may call the API; "*" allows
	// every origin. Without Keys, pages of any other origin are rejected.
	Origins []string
	// Addr is the address the API listens on, such as 127.0.0.1:4566. Without
	// Keys, the API answers only for this and loopback host names. Leave it
	// empty if no browser can reach the API; then nothing is checked.
	Addr string
	// Rate (requests per second) and Burst (requests) are the stage's limits.
	Rate, Burst int
	Log         *slog.Logger
}

// API serves requests.
type API struct {
	o      Options
	limit  *rate.Limiter
	memory *memory
}

func New(o Options) *API {
	return &API{o: o, limit: rate.NewLimiter(rate.Limit(o.Rate), o.Burst), memory: newMemory()}
}

// ServeHTTP performs API Gateway's steps in the same order.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &Call{Request: r, Path: r.URL.Path, APIID: apiID, Stage: Stage, Account: Account, RequestID: uuid.NewString()}
	w.Header().Set("X-Amzn-Requestid", c.RequestID)
	if bad := a.handle(w, c); bad != nil {
		c.drain(w)
		a.refuse(w, c, *bad)
	}
}

func (a *API) handle(w http.ResponseWriter, c *Call) *Refusal {
	route, preflight := a.find(c)
	if bad := a.guard(c, route); bad != nil {
		return bad
	}
	if route == nil {
		return &NoRoute
	}
	c.route = route
	c.Resource, c.Binary = route.Path, slices.Contains(api.BinaryMediaTypes(), "*/*")
	scope := sigv4.Scope{Service: "execute-api", Region: a.o.Region}
	signed := a.o.Keys != nil && !preflight && !route.Unsigned // browsers can't sign a preflight
	if signed {                                                // check everything in the headers before reading the body
		if err := a.o.Keys.Claim(c.Request, scope, time.Now()); err != nil {
			return new(BadSignature(err))
		}
	}
	held := a.memory.begin()
	if held == nil {
		return &Overloaded
	}
	defer held.end()
	if bad := c.readBody(w, held); bad != nil {
		return bad
	}
	if signed {
		var err error
		if c.Caller, err = a.o.Keys.Request(c.Request, c.Body, scope, time.Now()); err != nil {
			return new(BadSignature(err))
		}
	}
	limit := a.limit
	if route.Limit != nil {
		limit = route.Limit.of(c.Method)
	}
	if !limit.Allow() {
		return &Throttled
	}
	if bad := c.decompress(held); bad != nil {
		return bad
	}
	return a.integrate(w, c, route.Invoke)
}

// guard rejects requests that a browser sends on behalf of another site's page.
// With keys the signature alone decides, as on AWS: no such page has a key, and
// a client may sign for a host name of its own.
func (a *API) guard(c *Call, route *Route) *Refusal {
	if a.o.Addr == "" || a.o.Keys != nil {
		return nil
	}
	g := webguard.Guard{Hosts: []string{a.o.Addr}, Origins: a.o.Origins}
	if !g.KnownHost(c.Request) {
		return new(foreignHost(c.Host, a.o.Addr))
	}
	if route != nil && route.Unsigned {
		return nil
	}
	if origin := g.ForeignPage(c.Request); origin != "" {
		return new(foreignPage(origin))
	}
	return nil
}

// find returns the route for a path and method. preflight is true for a
// browser's CORS preflight request.
func (a *API) find(c *Call) (route *Route, preflight bool) {
	for i, r := range a.o.Routes {
		fixed, parameter, ok := strings.Cut(r.Path, "{")
		parameter, greedy := strings.CutSuffix(parameter, "+}")
		value, matches := strings.CutPrefix(c.Path, fixed)
		switch {
		case !matches, !ok && value != "", ok && (value == "" || strings.Contains(value, "/") && !greedy):
			continue
		case r.Method == AnyMethod:
			c.Params = map[string]string{parameter: value}
			return &a.o.Routes[i], c.Method == http.MethodOptions
		case c.Method == http.MethodOptions && len(a.o.Origins) > 0:
			return &a.o.Routes[i], true
		case c.Method != r.Method:
			continue
		}
		if ok {
			c.Params = map[string]string{strings.TrimSuffix(parameter, "}"): value}
		}
		return &a.o.Routes[i], false
	}
	return nil, false
}

func (a *API) integrate(w http.ResponseWriter, c *Call, invoke Invoke) *Refusal {
	payload, err := c.Event()
	if err != nil {
		return &NotAllowed
	}
	if len(payload) > MaxEvent {
		return &TooLarge
	}
	c.Body = nil // the event contains it
	type outcome struct {
		answer []byte
		err    error
	}
	done := make(chan outcome, 1)
	ctx := context.WithoutCancel(c.Context()) // the function continues after the client has disconnected
	go func() {
		answer, err := invoke(ctx, payload)
		done <- outcome{answer, err}
	}()
	timeout := time.NewTimer(integrationTime)
	defer timeout.Stop()
	select {
	case <-timeout.C:
		return &TimedOut
	case o := <-done:
		if o.err != nil {
			a.o.Log.ErrorContext(ctx, "function failed", "route", c.Method+" "+c.Resource, "err", o.err)
			return &Broken
		}
		if !WriteAnswer(w, o.answer) {
			return &Broken
		}
		return nil
	}
}

// origin returns the only allowed origin, or the request's origin if there are
// several.
func (a *API) origin(c *Call) string {
	if len(a.o.Origins) == 1 {
		return a.o.Origins[0]
	}
	return c.Header.Get("Origin")
}

// allowOrigin lets a page read an error.
func (a *API) allowOrigin(h http.Header, c *Call) {
	if c.route != nil && c.route.Unsigned {
		if origin := c.Header.Get("Origin"); origin != "" && contract.AllowsOrigin(c.route.Origins, origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "Retry-After")
		}
		return
	}
	if origin := a.origin(c); len(a.o.Origins) > 0 && origin != "" {
		h.Set("Access-Control-Allow-Origin", origin)
	}
}

// refuse writes a problem document, like the stack's gateway responses.
func (a *API) refuse(w http.ResponseWriter, c *Call, bad Refusal) {
	h := w.Header()
	h.Set("X-Amzn-Errortype", bad.ErrorType)
	h.Set("Content-Type", api.ProblemType)
	if bad.Status == http.StatusTooManyRequests || bad.Status >= http.StatusInternalServerError {
		h.Set("Retry-After", "1")
	}
	a.allowOrigin(h, c)
	w.WriteHeader(bad.Status)
	problem := api.Problem{Title: bad.ResponseType, Detail: bad.Message, RequestID: c.RequestID}
	if err := json.NewEncoder(w).Encode(problem); err != nil {
		a.o.Log.DebugContext(c.Context(), "answer not written", "err", err)
	}
}

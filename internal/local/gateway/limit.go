package gateway

import (
	"net/http"

	"golang.org/x/time/rate"
)

// Limit is the limit of a route for all methods: like API Gateway's, it counts each
// method on its own.
type Limit struct {
	known map[string]*rate.Limiter
	// other is the limit of all further methods together, which a client can invent.
	other *rate.Limiter
}

// NewLimit returns a limit in requests per second, and for a burst in requests.
func NewLimit(perSecond, burst int) *Limit {
	next := func() *rate.Limiter { return rate.NewLimiter(rate.Limit(perSecond), burst) }
	l := &Limit{known: map[string]*rate.Limiter{}, other: next()}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
		l.known[method] = next()
	}
	return l
}

func (l *Limit) of(method string) *rate.Limiter {
	if limiter, ok := l.known[method]; ok {
		return limiter
	}
	return l.other
}

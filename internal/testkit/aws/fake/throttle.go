package fake

import (
	"strconv"
	"strings"

	"golang.org/x/time/rate"
)

// throttled reports whether the method setting of the request doesn't allow it now. The
// setting of a method replaces that of all methods, and is found by the verb of the
// request: a setting for ANY has no effect. Each method has a bucket of its own. Of the
// setting of all methods, the fake applies only a rate of 0.
func (a *apis) throttled(x *exchange) bool {
	all, own, found := false, false, false
	for _, m := range children(x.stage.props, "MethodSettings") {
		perSecond, err := strconv.ParseFloat(str(m, "ThrottlingRateLimit"), 64)
		closed := err == nil && perSecond == 0
		switch path, method := str(m, "ResourcePath"), str(m, "HttpMethod"); {
		case path == "/*" && method == "*":
			all = closed
		case strings.ReplaceAll(strings.TrimPrefix(path, "/"), "~1", "/") == x.route.template && (method == "*" || method == x.Method):
			own, found = closed, true
			if burst := number(m, "ThrottlingBurstLimit", 0); err == nil && !closed && burst > 0 {
				own = !a.bucket(x, perSecond, burst).Allow()
			}
		}
	}
	if found {
		return own
	}
	return all
}

// bucket returns the token bucket of a method with a limit; another limit has another
// bucket.
func (a *apis) bucket(x *exchange, perSecond float64, burst int) *rate.Limiter {
	key := strings.Join([]string{x.stage.id, x.route.template, x.Method, strconv.FormatFloat(perSecond, 'g', -1, 64), strconv.Itoa(burst)}, " ")
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.buckets == nil {
		a.buckets = map[string]*rate.Limiter{}
	}
	if a.buckets[key] == nil {
		a.buckets[key] = rate.NewLimiter(rate.Limit(perSecond), burst)
	}
	return a.buckets[key]
}

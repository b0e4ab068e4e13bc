package dashboard

import (
	"net"
	"net/http"
	"slices"
	"strings"
)

// policy lets the page load its own two files and ask its own server, and
// nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard refuses requests for another host: a page elsewhere whose name was made
// to point here (DNS rebinding) must not read the numbers.
func guard(hosts []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !allowed(r.Host, hosts) {
			refuse(w, http.StatusMisdirectedRequest, "this dashboard doesn't answer for the host "+quote(r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func allowed(host string, more []string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil { // without a port
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if strings.EqualFold(name, "localhost") || name == "127.0.0.1" || name == "::1" {
		return true
	}
	return slices.ContainsFunc(more, func(one string) bool {
		return strings.EqualFold(one, host) || strings.EqualFold(strings.Trim(one, "[]"), name)
	})
}

// ownPageOnly refuses what a browser asks for another site's page. Programs and
// old browsers don't say who asks; without CORS headers a page elsewhere can't
// read the answer anyway.
func ownPageOnly(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "same-origin", "none":
			next(w, r)
		default:
			refuse(w, http.StatusForbidden, "only this dashboard's own page may ask")
		}
	})
}

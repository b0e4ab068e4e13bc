package dashboard

import (
	"net/http"

	"github.com/streamctl/streamctl/internal/webguard"
)

// policy allows the page to load its own two files and to call its own server, and
// nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard rejects requests for other hosts: a page elsewhere whose name resolves to this
// address (DNS rebinding) must not read the numbers.
func guard(hosts []string, next http.Handler) http.Handler {
	g := webguard.Guard{Hosts: hosts}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !g.KnownHost(r) {
			refuse(w, http.StatusMisdirectedRequest, "this dashboard doesn't answer for the host "+quote(r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownPageOnly rejects requests that a browser sends for another site's page.
func ownPageOnly(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if (webguard.Guard{}).ForeignPage(r) != "" {
			refuse(w, http.StatusForbidden, "only this dashboard's own page may call it")
			return
		}
		next(w, r)
	})
}

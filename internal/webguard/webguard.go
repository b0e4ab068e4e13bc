// Package webguard keeps the pages of other web sites out of a server on this
// machine. A browser lets every page send requests to a loopback address; it
// reports in Host, Origin and Sec-Fetch-Site whose page it was. Programs such
// as curl and the SDKs send none of the two latter headers and are let in.
package webguard

import (
	"cmp"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Guard decides by a request's headers. The zero value allows loopback hosts
// and the server's own pages only. It is safe for concurrent use.
type Guard struct {
	// Hosts are further names of this server, with or without a port:
	// "dashboard.internal", "10.0.0.7:8080".
	Hosts []string
	// Origins are the other web origins whose pages may send requests, such as
	// "https://shop.example"; "*" allows every one.
	Origins []string
}

// KnownHost reports whether the request is for a loopback name or one of
// Hosts. A page whose own name was made to point to this machine (DNS
// rebinding) counts as the server's own page to a browser; its name doesn't.
func (g Guard) KnownHost(r *http.Request) bool {
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil { // without a port
		name = strings.TrimSuffix(strings.TrimPrefix(r.Host, "["), "]")
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	if ip, err := netip.ParseAddr(name); err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback() {
		return true
	}
	return slices.ContainsFunc(g.Hosts, func(known string) bool {
		return known != "" && (strings.EqualFold(known, r.Host) || strings.EqualFold(strings.Trim(known, "[]"), name))
	})
}

// ForeignPage gives the origin of the page that a browser made the request
// for, if that page belongs to another origin and may not send requests: it is
// "another site" if the browser doesn't name it. A request of the server's own
// page, of an allowed origin, of a person who typed the address, and of a
// program gives "".
//
// Another port of the same host is another origin.
func (g Guard) ForeignPage(r *http.Request) string {
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		for _, origin := range origins {
			if !g.mayAsk(origin, r) {
				return cmp.Or(origin, "another site")
			}
		}
		return ""
	}
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" && !slices.Contains(g.Origins, "*") {
			return "another site"
		}
	}
	return ""
}

// mayAsk reports whether pages of an origin may send requests. "null" is the
// origin of a page in a sandbox or a file: anyone's.
func (g Guard) mayAsk(origin string, r *http.Request) bool {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return strings.EqualFold(origin, scheme+r.Host) || slices.Contains(g.Origins, origin) || slices.Contains(g.Origins, "*")
}

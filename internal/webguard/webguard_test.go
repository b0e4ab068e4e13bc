package webguard_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/streamctl/streamctl/internal/webguard"
)

func request(host string, header http.Header) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Host, r.Header = host, header
	return r
}

func TestKnownHost(t *testing.T) {
	g := webguard.Guard{Hosts: []string{"dashboard.internal", "10.0.0.7:8080", "[fe80::1]:80", ""}}
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:80": true, "127.0.0.1:9": true, "127.0.0.2": true, "[::1]:80": true, "[::1]": true, "[::ffff:127.0.0.1]:80": true,
		"dashboard.internal": true, "Dashboard.Internal:99": true, "10.0.0.7:8080": true, "[fe80::1]:80": true,
		"": false, ":80": false, "evil.example": false, "evil.example:80": false, "localhost.evil.example": false, "localhost.:80": false, "127.0.0.1.nip.io": false,
		"10.0.0.7:81": false, "10.0.0.7": false, "0.0.0.0:80": false, "[::]:80": false, "evillocalhost": false, "127.0.0.1@evil.example": false, "2130706433": false,
	} {
		if got := g.KnownHost(request(host, http.Header{})); got != want {
			t.Errorf("host %q: %t, want %t", host, got, want)
		}
	}
}

func TestForeignPage(t *testing.T) {
	const host = "127.0.0.1:8080"
	h := func(pairs ...string) http.Header {
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Add(pairs[i], pairs[i+1])
		}
		return header
	}
	shop := []string{"https://shop.example"}
	for name, c := range map[string]struct {
		origins []string
		header  http.Header
		want    string
	}{
		"a program":                         {nil, h(), ""},
		"an address that a person typed":    {nil, h("Sec-Fetch-Site", "none"), ""},
		"the own page reads":                {nil, h("Sec-Fetch-Site", "same-origin"), ""},
		"the own page writes":               {nil, h("Sec-Fetch-Site", "same-origin", "Origin", "http://"+host), ""},
		"another port":                      {nil, h("Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:8081"), "http://127.0.0.1:8081"},
		"another port, without Origin":      {nil, h("Sec-Fetch-Site", "same-site"), "another site"},
		"another site":                      {nil, h("Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), "https://evil.example"},
		"another site, without Origin":      {nil, h("Sec-Fetch-Site", "cross-site"), "another site"},
		"another site of an old browser":    {nil, h("Origin", "https://evil.example"), "https://evil.example"},
		"a file or sandbox":                 {nil, h("Origin", "null"), "null"},
		"https of the same host":            {nil, h("Origin", "https://"+host), "https://" + host},
		"two origins":                       {nil, h("Origin", "http://"+host, "Origin", "https://evil.example"), "https://evil.example"},
		"an empty origin":                   {nil, h("Origin", ""), "another site"},
		"an allowed origin":                 {shop, h("Sec-Fetch-Site", "cross-site", "Origin", shop[0]), ""},
		"an allowed origin's prefix":        {shop, h("Origin", shop[0]+".evil.example"), shop[0] + ".evil.example"},
		"an allowed origin's image":         {shop, h("Sec-Fetch-Site", "cross-site"), "another site"},
		"every origin":                      {[]string{"*"}, h("Sec-Fetch-Site", "cross-site", "Origin", "https://any.example"), ""},
		"every origin, a page in a sandbox": {[]string{"*"}, h("Origin", "null"), ""},
	} {
		got := webguard.Guard{Origins: c.origins}.ForeignPage(request(host, c.header))
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

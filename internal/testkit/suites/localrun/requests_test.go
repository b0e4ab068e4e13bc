package localrun_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// TestRequestsAtTheEdge sends unusual requests: each gets AWS's response, and
// accepted events are loaded once.
func TestRequestsAtTheEdge(t *testing.T) {
	l := program.Start(t, localrun.Spec{Dir: workDir(t)})
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	if _, err := io.WriteString(zw, event); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	gz := packed.String()
	with := func(old, instead string) string { return strings.Replace(event, old, instead, 1) }
	h := func(name, value string) http.Header { return http.Header{name: {value}} }
	accepted := 0
	for _, c := range []struct {
		name   string
		path   string
		header http.Header
		body   string
		status int
		want   string
	}{
		{"gzip, named", "/events", h("Content-Encoding", "gzip"), gz, 202, `"accepted":1`},
		{"gzip, not named", "/events", nil, gz, 202, `"accepted":1`},
		{"plain, named gzip", "/events", h("Content-Encoding", "gzip"), event, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"Brotli", "/events", h("Content-Encoding", "br"), event, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"Latin-1", "/events", nil, with("user123", "M\xfcller"), 400, "invalid UTF-8 (the byte 0xfc)"},
		{"U+FFFD", "/events", nil, with("user123", "M\ufffdller"), 400, "holds U+FFFD"},
		{"BOM", "/events", nil, "\xef\xbb\xbf" + event, 400, "byte order mark"},
		{"a trailing comma", "/events", nil, "[" + event + ",]", 400, "a trailing comma"},
		{"null", "/events", nil, "null", 400, "the body is null"},
		{"1e400", "/events", nil, with(`"/dashboard"`, "1e400"), 400, "too large for a double"},
		{"a type of words", "/events", nil, with("page_view", "Order Completed; 😀"), 202, `"accepted":1`},
		{"255 emoji", "/events", nil, with("user123", strings.Repeat("😀", 255)), 202, `"accepted":1`},
		{"a form's type", "/events", h("Content-Type", "application/x-www-form-urlencoded"), event, 202, `"accepted":1`},
		{"a page elsewhere", "/events", h("Origin", "https://evil.example"), event, 403, "CorsAllowedOrigins"},
		{"a page of another port", "/events", h("Sec-Fetch-Site", "same-site"), event, 403, "CorsAllowedOrigins"},
		{"a rebound name", "/events", h("Host", "evil.example"), event, 421, "does not answer for the host"},
		{"a semicolon", "/metrics/events?step=1m;x=1", nil, "", 400, `not \"1m;x=1\"`},
		{"an offset", "/metrics/events?from=2026-01-01T00:00:00%2B24:00", nil, "", 400, "must be a time in RFC 3339"},
	} {
		status, body := ask(t, l.API+c.path, c.header, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want %d with %s", c.name, status, body, c.status, c.want)
		}
		if status == http.StatusAccepted {
			accepted++
		}
	}
	l.Settle(t, accepted, time.Minute)
	if status, body := ask(t, l.API+"/metrics/events?step=24h&eventType=Order+Completed%3B%20%F0%9F%98%80", nil, ""); status != 200 || !strings.Contains(body, `"count":1`) {
		t.Errorf("a type of words: %d %s", status, body)
	}
}

// ask sends a request, POST if it has a body. The header Host sets the host.
func ask(t *testing.T, url string, header http.Header, body string) (status int, answer string) {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Host = header.Get("Host")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

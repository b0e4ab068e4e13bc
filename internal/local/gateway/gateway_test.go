package gateway_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/local/gateway"
)

// echo is a function that records the event it was invoked with.
type echo struct{ event events.APIGatewayProxyRequest }

func (e *echo) invoke(_ context.Context, payload []byte) ([]byte, error) {
	e.event = events.APIGatewayProxyRequest{}
	if err := json.Unmarshal(payload, &e.event); err != nil {
		return nil, err
	}
	return []byte(`{"statusCode":202,"body":"{}"}`), nil
}

// body returns the body that the function received.
func (e *echo) body(t *testing.T) string {
	t.Helper()
	if e.event.Body != "" && !e.event.IsBase64Encoded {
		t.Errorf("the body is not base64: %q", e.event.Body)
	}
	text, err := base64.StdEncoding.DecodeString(e.event.Body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func options(invoke gateway.Invoke) gateway.Options {
	return gateway.Options{
		Routes: []gateway.Route{
			{Method: http.MethodPost, Path: "/events", Invoke: invoke},
			{Method: http.MethodGet, Path: "/metrics/{metric}", Invoke: invoke},
		},
		Rate: 10_000, Burst: 5000, Log: slog.New(slog.DiscardHandler),
	}
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	return closed(t, &b, gzip.NewWriter(&b), text)
}

func deflated(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	return closed(t, &b, zlib.NewWriter(&b), text)
}

func closed(t *testing.T, b *bytes.Buffer, w io.WriteCloser, text string) string {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestContentEncodingIsUndoneAsByAWS: gzip, deflate and identity are decoded
// and the header is kept; any other encoding returns 415.
func TestContentEncodingIsUndoneAsByAWS(t *testing.T) {
	const text = `{"userId":"ü","eventType":"x"}`
	gz, zl := zipped(t, text), deflated(t, text)
	for name, c := range map[string]struct {
		coding []string
		body   string
		status int
		want   string
	}{
		"none":                   {nil, text, 202, text},
		"gzip":                   {[]string{"gzip"}, gz, 202, text},
		"gzip in capitals":       {[]string{" GZip "}, gz, 202, text},
		"gzip of two members":    {[]string{"gzip"}, gz + gz, 202, text + text},
		"gzip of gzip":           {[]string{"gzip"}, zipped(t, gz), 202, gz},
		"deflate":                {[]string{"deflate"}, zl, 202, text},
		"identity":               {[]string{"identity"}, text, 202, text},
		"an empty value":         {[]string{""}, text, 202, text},
		"gzip without a header":  {nil, gz, 202, gz},
		"Latin-1 bytes":          {nil, "{\"userId\":\"\xfc\"}", 202, "{\"userId\":\"\xfc\"}"},
		"no body":                {[]string{"gzip"}, "", 202, ""},
		"plain as gzip":          {[]string{"gzip"}, text, 415, ""},
		"plain as deflate":       {[]string{"deflate"}, text, 415, ""},
		"gzip as deflate":        {[]string{"deflate"}, gz, 415, ""},
		"deflate as gzip":        {[]string{"gzip"}, zl, 415, ""},
		"truncated gzip":         {[]string{"gzip"}, gz[:len(gz)-9], 415, ""},
		"gzip and more":          {[]string{"gzip"}, gz + "more", 415, ""},
		"br":                     {[]string{"br"}, text, 415, ""},
		"zstd":                   {[]string{"zstd"}, text, 415, ""},
		"x-gzip":                 {[]string{"x-gzip"}, gz, 415, ""},
		"two codings":            {[]string{"gzip, gzip"}, zipped(t, gz), 415, ""},
		"two headers":            {[]string{"gzip", "gzip"}, zipped(t, gz), 415, ""},
		"a gzip bomb":            {[]string{"gzip"}, zipped(t, strings.Repeat(" ", 64<<20)), 413, ""},
		"a body of 5 MB":         {nil, strings.Repeat(" ", 5<<20), 413, ""},
		"4 MiB, all of it quote": {nil, strings.Repeat(`"`, 4<<20), 202, strings.Repeat(`"`, 4<<20)},
	} {
		var f echo
		r := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(c.body))
		if c.coding != nil {
			r.Header["Content-Encoding"] = c.coding
		}
		w := httptest.NewRecorder()
		gateway.New(options(f.invoke)).ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, c.status, w.Body)
			continue
		}
		if c.status == 202 && f.body(t) != c.want {
			t.Errorf("%s: the function got %.100q, want %.100q", name, f.body(t), c.want)
		}
		if c.status == 202 && !slices.Equal(f.event.MultiValueHeaders["Content-Encoding"], c.coding) {
			t.Errorf("%s: the header became %q", name, f.event.MultiValueHeaders["Content-Encoding"])
		}
		if c.status == 415 && !strings.Contains(w.Body.String(), `"UNSUPPORTED_MEDIA_TYPE"`) {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

func TestQueryStringsAreReadAsByAWS(t *testing.T) {
	for raw, want := range map[string]map[string][]string{
		"":                                 {},
		"&&":                               {},
		"a=1&b=2":                          {"a": {"1"}, "b": {"2"}},
		"a=1&a=2":                          {"a": {"1", "2"}},
		"a=1;b=2":                          {"a": {"1;b=2"}},
		"a;b=1":                            {"a;b": {"1"}},
		"a":                                {"a": {""}},
		"a=":                               {"a": {""}},
		"=1":                               {"": {"1"}},
		"=":                                {"": {""}},
		"a=b=c":                            {"a": {"b=c"}},
		"a=b+c%20d%2Be":                    {"a": {"b c d+e"}},
		"a%26b=c%3Dd":                      {"a&b": {"c=d"}},
		"a=%":                              {"a": {"%"}},
		"a=%zz%4":                          {"a": {"%zz%4"}},
		"a=100%25":                         {"a": {"100%"}},
		"eventType=Gr%C3%B6%C3%9Fe":        {"eventType": {"Größe"}},
		"a=%FC":                            {"a": {"\ufffd"}},
		"a=1&A=2":                          {"a": {"1"}, "A": {"2"}},
		"from=2026-01-31T12:00:00%2B01:00": {"from": {"2026-01-31T12:00:00+01:00"}},
	} {
		var f echo
		r := httptest.NewRequest(http.MethodGet, "/metrics/events", http.NoBody)
		r.URL.RawQuery = raw
		w := httptest.NewRecorder()
		gateway.New(options(f.invoke)).ServeHTTP(w, r)
		if got := f.event.MultiValueQueryStringParameters; w.Code != 202 || !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%q: %d %q, want %q", raw, w.Code, got, want)
		}
		for name, value := range f.event.QueryStringParameters {
			if values := want[name]; value != values[len(values)-1] {
				t.Errorf("%q: %s is %q, want the last of %q", raw, name, value, values)
			}
		}
	}
}

// FuzzQueryString parses arbitrary query strings: parsing never fails, all
// values are UTF-8, and the result equals that of Go's parser where that
// succeeds.
func FuzzQueryString(f *testing.F) {
	for _, s := range []string{"a=1&b=2", "a;b", "%", "%zz=%1", "+%2B=%20", "=&=", "a=%FC", "\xff=1", "a=1&a=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var fn echo
		r := httptest.NewRequest(http.MethodGet, "/metrics/events", http.NoBody)
		r.URL.RawQuery = raw
		w := httptest.NewRecorder()
		gateway.New(options(fn.invoke)).ServeHTTP(w, r)
		if w.Code != 202 {
			t.Fatalf("%q: %d %s", raw, w.Code, w.Body)
		}
		got := fn.event.MultiValueQueryStringParameters
		for name, values := range got {
			if !utf8.ValidString(name) || slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
				t.Errorf("%q: %q is not UTF-8", raw, values)
			}
		}
		want, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		for name, values := range want {
			if !utf8.ValidString(name) || slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
				return
			}
			if !slices.Equal(got[name], values) {
				t.Errorf("%q: %s is %q, want %q", raw, name, got[name], values)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	})
}

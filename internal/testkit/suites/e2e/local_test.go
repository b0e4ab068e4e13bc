package e2e_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/testkit/suites/localrun"
)

// ask is a request to both APIs.
type ask struct {
	name, method, target, body string
	header                     http.Header
	unsigned                   bool
}

// answersAsLocal sends the same requests to the deployed API and `streamctl
// local`: status, headers and body must be equal, except for ids and times.
func (s *stack) answersAsLocal(t *testing.T) {
	l := localrun.At(s.platform.Streamctl).Start(t, localrun.Spec{Dir: s.dir, Args: []string{"--auth", "iam", "--env", "development", "--data-dir", t.TempDir() + "/data"}})
	web, err := s.platform.Client()
	if err != nil {
		t.Fatal(err)
	}
	key := s.platform.Fake.Credentials
	deployed := &api.Client{Endpoint: s.outputs["ApiEndpoint"], HTTP: web, Signer: signer(key.AccessKeyID, key.SecretAccessKey, "us-east-1")}
	local := &api.Client{Endpoint: l.API, HTTP: api.NewHTTP(1), Signer: signer(l.AccessKeyID, l.SecretAccessKey, l.Region)}
	for _, a := range asks(t) {
		t.Run(a.name, func(t *testing.T) {
			want, got := answerOf(t, *deployed, a), answerOf(t, *local, a)
			if got != want {
				t.Errorf("local answers\n%s\nthe deployed API\n%s", got, want)
			}
		})
	}
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
}

func signer(id, secret, region string) *awshttp.Signer {
	return &awshttp.Signer{Region: region, Credentials: credentials.NewStaticCredentialsProvider(id, secret, "")}
}

func asks(t *testing.T) []ask {
	t.Helper()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte("[" + briefEvent + "]")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	page := http.Header{"Content-Type": {"application/json"}, "Origin": {"https://a.example"}}
	other := http.Header{"Content-Type": {"application/json"}, "Origin": {"https://c.example"}}
	question := http.Header{"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"POST"}}
	post := func(name, body string) ask {
		return ask{name: name, method: http.MethodPost, target: "/events", body: body}
	}
	get := func(name, target string) ask { return ask{name: name, method: http.MethodGet, target: target} }
	return []ask{
		post("an event", briefEvent), post("a batch in part", "["+briefEvent+`, {"userId": 3}]`), post("a batch of bad ones", `[{"userId": 3}]`),
		post("a text", `"text"`), post("an empty object", `{}`), post("no list", `{"events": 3}`), post("no JSON", `{`), post("nothing", ""), post("an empty batch", `[]`),
		post("too large", strings.Repeat(" ", 11<<20)), post("too large once escaped", `["`+strings.Repeat(`\"`, 2<<20)+`"]`),
		{name: "gzip", method: http.MethodPost, target: "/events", body: zipped.String(), header: http.Header{"Content-Type": {"application/gzip"}}},
		{name: "gzip that is none", method: http.MethodPost, target: "/events", body: "\x1f\x8bno", header: http.Header{"Content-Type": {"application/gzip"}}},
		{name: "gzip, named", method: http.MethodPost, target: "/events", body: zipped.String(), header: http.Header{"Content-Encoding": {"gzip"}}},
		{name: "gzip, named in capitals", method: http.MethodPost, target: "/events", body: zipped.String(), header: http.Header{"Content-Encoding": {"GZIP"}, "Content-Type": {"application/json"}}},
		{name: "plain, named gzip", method: http.MethodPost, target: "/events", body: briefEvent, header: http.Header{"Content-Encoding": {"gzip"}}},
		{name: "plain, named identity", method: http.MethodPost, target: "/events", body: briefEvent, header: http.Header{"Content-Encoding": {"identity"}}},
		{name: "an unknown coding", method: http.MethodPost, target: "/events", body: briefEvent, header: http.Header{"Content-Encoding": {"br"}}},
		post("Latin-1", strings.Replace(briefEvent, "user123", "M\xfcller", 1)), post("a byte order mark", "\xef\xbb\xbf"+briefEvent), post("UTF-16", "\xff\xfe{\x00}\x00"), post("null", "null"),
		get("a semicolon", "/metrics/events?step=1m%3Bx=2"), get("a plus", "/metrics/events?eventType=a+b&from=2026-01-31T00:00:00Z&to=2026-01-31T01:00:00Z"),
		get("a parameter twice", "/metrics/events?step=1m&step=2m"), get("a byte that is not UTF-8", "/metrics/events?eventType=%FC"),
		{name: "plain text", method: http.MethodPost, target: "/events", body: "hello", header: http.Header{"Content-Type": {"text/plain"}}},
		{name: "from a page", method: http.MethodPost, target: "/events", body: briefEvent, header: page},
		{name: "from another page", method: http.MethodPost, target: "/events", body: briefEvent, header: other},
		{name: "refused from a page", method: http.MethodPost, target: "/events", body: "{", header: page},
		{name: "preflight", method: http.MethodOptions, target: "/events", header: question, unsigned: true},
		{name: "preflight of a metric", method: http.MethodOptions, target: "/metrics/events", header: question, unsigned: true},
		{name: "unsigned", method: http.MethodPost, target: "/events", body: briefEvent, unsigned: true},
		{name: "another method", method: http.MethodDelete, target: "/events"},
		get("no such route", "/event"), get("events can't be read", "/events"), get("a path below", "/metrics/events/x"), get("no metric", "/metrics/"),
		get("an unknown metric", "/metrics/nope"), get("a bad parameter", "/metrics/events?step=7s"), get("an unknown parameter", "/metrics/events?stepp=5m"),
		get("a day without users", "/metrics/users?from=2020-01-01&to=2020-01-01"),
	}
}

// kept lists the headers to compare.
var kept = []string{
	"Content-Type", "X-Amzn-Errortype", "Retry-After", "Cache-Control", "Etag", "Vary",
	"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Expose-Headers", "Access-Control-Max-Age",
}

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	times = regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z`)
	etags = regexp.MustCompile(`"[0-9a-f]{16,}"`)
)

func answerOf(t *testing.T, c api.Client, a ask) string {
	t.Helper()
	if a.unsigned {
		c.Signer = nil
	}
	if a.header == nil && a.body != "" {
		a.header = http.Header{"Content-Type": {"application/json"}}
	}
	resp, err := c.Do(t.Context(), a.method, a.target, a.header, []byte(a.body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(resp.Status + "\n")
	for _, name := range kept {
		for _, value := range resp.Header.Values(name) {
			b.WriteString(name + ": " + value + "\n")
		}
	}
	b.WriteString(strings.TrimSpace(string(body)))
	text := uuids.ReplaceAllString(b.String(), "<id>")
	return etags.ReplaceAllString(times.ReplaceAllString(text, "<time>"), `"<tag>"`)
}

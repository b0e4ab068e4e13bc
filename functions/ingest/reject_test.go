package ingest_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/contract"
)

// rejectedLine sends a request and returns what it logged.
func rejectedLine(t *testing.T, req events.APIGatewayProxyRequest) (line string) {
	t.Helper()
	var out bytes.Buffer
	h := handler(&stream{}, metrics{})
	h.Log = slog.New(slog.NewJSONHandler(&out, nil))
	if _, err := h.Handle(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestRejectedEventsAreLogged has one line per request with count, reason and caller.
func TestRejectedEventsAreLogged(t *testing.T) {
	bad := `{"userId":"u"}`
	type logged struct {
		Level, Msg, Reason, Field, Caller, Request string
		Count                                      int
	}
	for name, c := range map[string]struct {
		body string
		want logged
	}{
		"one":         {bad, logged{Count: 1, Reason: "is required", Field: "eventType"}},
		"two of four": {list(one("a"), bad, one("b"), `{"userId":7,"eventType":"x"}`), logged{Count: 2, Reason: "is required", Field: "eventType"}},
		"a body":      {`userId=secret`, logged{Count: 1, Reason: "the body is a form"}},
	} {
		req := request(c.body)
		req.RequestContext.Identity.SourceIP = "192.0.2.1"
		c.want.Level, c.want.Msg, c.want.Request, c.want.Caller = "INFO", contract.LogRejected, "req-1", "192.0.2.1"
		line := rejectedLine(t, req)
		var got logged
		if err := json.Unmarshal([]byte(line), &got); err != nil || got != c.want || strings.Count(line, "\n") != 1 {
			t.Errorf("%s: %s %v", name, line, err)
		}
	}
	req := request(bad)
	req.RequestContext.Identity.UserArn, req.RequestContext.Identity.SourceIP = "arn:aws:iam::123456789012:user/"+strings.Repeat("ü", 300), "192.0.2.1"
	if line := rejectedLine(t, req); !strings.Contains(line, `"caller":"arn:aws:iam::123456789012:user/üü`) || len(line) > 500 || strings.Contains(line, `\ufffd`) {
		t.Error(line)
	}
	if line := rejectedLine(t, request(one("a"))); line != "" {
		t.Errorf("accepted: %s", line)
	}
}

// TestRejectedEventsAreNotQuoted: a value of an event is never in the log, whatever is wrong.
func TestRejectedEventsAreNotQuoted(t *testing.T) {
	const secret = "s3cr3t"
	and := func(members string) string { return `{"userId":"u","eventType":"x",` + members + `}` }
	for _, body := range []string{
		secret, `"` + secret + `"`, "'" + secret, secret + "=1", "{" + secret, `{"userId":` + secret, `{"userId":"` + secret + `}`, "[" + secret + "]", `{"a":"` + secret + `"}{}`,
		`{"userId":"` + secret + `\u0000","eventType":"x"}`, `{"userId":"` + secret + "\xff" + `","eventType":"x"}`, `{"userId":"` + secret + `\ud800","eventType":"x"}`, `{"userId":["` + secret + `"],"eventType":"x"}`,
		`{"userId":"u","eventType":"` + secret + `\u0007"}`, `{"userId":"u","eventType":"` + strings.Repeat(secret, 50) + `"}`, `{"userId":"` + strings.Repeat(secret, 50) + `","eventType":"x"}`,
		and(`"timestamp":"` + secret + `"`), and(`"eventId":"` + secret + `"`), and(`"properties":"` + secret + `"`), and(`"properties":{"a":"` + secret + `\u0000"}`),
		and(`"properties":{"a":"` + strings.Repeat(secret, 10_000) + `"}`), and(`"properties":{"a":1e99999}`), and(`"x":"` + secret + `"`), `{"events":[],"source":"` + secret + `"}`,
		`{"userId":"` + secret + `","userId":"` + secret + `","eventType":"x"}`, and(`"properties":{"a":tru` + secret + `}`), "\x1f\x8b" + secret, "\xef\xbb\xbf" + secret, strings.Repeat("[", 50) + secret,
	} {
		line := rejectedLine(t, encoded(body))
		var got struct{ Reason, Msg string }
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Msg != contract.LogRejected || len(got.Reason) < 8 {
			t.Errorf("%.80q: %s %v", body, line, err)
		}
		if strings.Contains(line, "cr3t") || len(line) > 600 {
			t.Errorf("%.80q is quoted: %s", body, line)
		}
	}
	field := strings.Repeat("ö", 200)
	if line := rejectedLine(t, request(and(`"properties":{"`+field+`":"\u0000"}`))); len(line) > 500 || !strings.Contains(line, `"field":"properties.öö`) || !strings.Contains(line, "…") {
		t.Error(line)
	}
}

package ingest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
)

const (
	webKey, serverKey, limitedKey = "web-key", "server-key", "limited-key"
	page                          = "https://shop.example.com"
	track                         = `{"type":"track","event":"a","userId":"%s","messageId":"%s","timestamp":"2026-01-31T11:59:59Z"}`
)

// clientHandler has three keys.
func clientHandler(s *stream, m metrics, change func(*contract.Ingest)) *ingest.Handler {
	env := contract.Ingest{Stack: "test", Stream: "events", EventMaxAgeDays: 30, WriteKeys: []contract.WriteKey{
		{Name: "web", Hash: contract.HashWriteKey(webKey), Origins: []string{page}},
		{Name: "server", Hash: contract.HashWriteKey(serverKey)},
		{Name: "limited", Hash: contract.HashWriteKey(limitedKey), Rate: 2},
	}}
	if change != nil {
		change(&env)
	}
	h := handler(s, m)
	return ingest.New(env, ingest.Deps{Stream: s, Clock: h.Clock, Metrics: m, Log: slog.New(slog.DiscardHandler)})
}

// clientRequest is a POST to a path below /v1 with a key in the header.
func clientRequest(path, key, body string) events.APIGatewayProxyRequest {
	req := request(body)
	req.Resource, req.HTTPMethod, req.PathParameters = api.PathClients, http.MethodPost, map[string]string{"proxy": path}
	req.Headers = map[string]string{"content-type": "text/plain"}
	if key != "" {
		req.Headers["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))
	}
	return req
}

func messages(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(track, "u"+fmt.Sprint(i), "m"+fmt.Sprint(i)))
	}
	return `{"batch":[` + strings.Join(list, ",") + `]}`
}

func TestClientRequests(t *testing.T) {
	one := messages(1)
	with := func(req events.APIGatewayProxyRequest, change func(*events.APIGatewayProxyRequest)) events.APIGatewayProxyRequest {
		change(&req)
		return req
	}
	from := func(origin string) func(*events.APIGatewayProxyRequest) {
		return func(r *events.APIGatewayProxyRequest) { r.Headers["origin"] = origin }
	}
	large := `{"batch":[` + fmt.Sprintf(track, "u", "m") + `],"x":"` + strings.Repeat("x", 500_000) + `"}`
	half := func(n int, key string) bool { return key == "u1" }
	for name, c := range map[string]struct {
		req                 events.APIGatewayProxyRequest
		stream              stream
		status              int
		accepted, rejected  float64
		unavailable, stored int
	}{
		"a batch":              {req: clientRequest("batch", serverKey, one), status: 200, accepted: 1, stored: 1},
		"the short path":       {req: clientRequest("b", serverKey, one), status: 200, accepted: 1, stored: 1},
		"one message":          {req: clientRequest("track", serverKey, fmt.Sprintf(track, "u", "m")), status: 200, accepted: 1, stored: 1},
		"a call by its letter": {req: clientRequest("t", serverKey, fmt.Sprintf(track, "u", "m")), status: 200, accepted: 1, stored: 1},
		"gzip": {req: with(zipped(t, one), func(r *events.APIGatewayProxyRequest) {
			base := clientRequest("batch", serverKey, "")
			base.Body, base.IsBase64Encoded = r.Body, true
			*r = base
		}), status: 200, accepted: 1, stored: 1},
		"a key in the body": {req: clientRequest("batch", "", strings.Replace(one, "{", `{"writeKey":"`+serverKey+`",`, 1)), status: 200, accepted: 1, stored: 1},
		"a key in the query": {req: with(clientRequest("batch", "", one), func(r *events.APIGatewayProxyRequest) {
			r.QueryStringParameters = map[string]string{"writeKey": serverKey}
		}), status: 200, accepted: 1, stored: 1},
		"the beacon": {req: with(clientRequest("v1/batch", "", one), func(r *events.APIGatewayProxyRequest) {
			r.Resource, r.QueryStringParameters = api.PathBeacon, map[string]string{"writeKey": serverKey}
		}), status: 200, accepted: 1, stored: 1},
		"the beacon, one message":    {req: with(clientRequest("v1/track", serverKey, one), func(r *events.APIGatewayProxyRequest) { r.Resource = api.PathBeacon }), status: 404},
		"1,000 messages":             {req: clientRequest("batch", serverKey, messages(1000)), status: 200, accepted: 1000, stored: 1000},
		"no message":                 {req: clientRequest("batch", serverKey, `{"batch":[]}`), status: 200},
		"an allowed page":            {req: with(clientRequest("batch", webKey, one), from(page)), status: 200, accepted: 1, stored: 1},
		"another page":               {req: with(clientRequest("batch", webKey, one), from("https://evil.example.com")), status: 403, rejected: 1},
		"a page with a server's key": {req: with(clientRequest("batch", serverKey, one), from(page)), status: 403, rejected: 1},
		"one bad of three":           {req: clientRequest("batch", serverKey, strings.Replace(messages(3), `"u1"`, "{}", 1)), status: 200, accepted: 2, rejected: 1, stored: 2},
		"all bad":                    {req: clientRequest("batch", serverKey, `{"batch":[1,2]}`), status: 200, rejected: 2},
		"too old":                    {req: clientRequest("batch", serverKey, strings.Replace(one, "2026-01-31", "2025-12-01", 1)), status: 200, rejected: 1},
		"one not acknowledged":       {req: clientRequest("batch", serverKey, messages(3)), stream: stream{fail: half}, status: 503, accepted: 2, unavailable: 1, stored: 2},
		"bad and not acknowledged":   {req: clientRequest("batch", serverKey, strings.Replace(messages(3), `"u0"`, "{}", 1)), stream: stream{fail: half}, status: 503, accepted: 1, rejected: 1, unavailable: 1, stored: 1},
		"no JSON":                    {req: clientRequest("batch", serverKey, "hello"), status: 400, rejected: 1},
		"no body":                    {req: clientRequest("track", serverKey, ""), status: 400, rejected: 1},
		"half a body":                {req: clientRequest("batch", serverKey, one[:20]), status: 400, rejected: 1},
		"500 kB and more":            {req: clientRequest("batch", serverKey, large), status: 413, rejected: 1},
		"no key":                     {req: clientRequest("batch", "", one), status: 401, rejected: 1},
		"an unknown key":             {req: clientRequest("batch", "other", one), status: 401, rejected: 1},
		"the hash of a key":          {req: clientRequest("batch", contract.HashWriteKey(serverKey), one), status: 401, rejected: 1},
		"an unknown path":            {req: clientRequest("import", serverKey, one), status: 404},
		"GET":                        {req: with(clientRequest("batch", serverKey, one), func(r *events.APIGatewayProxyRequest) { r.HTTPMethod = "GET" }), status: 405},
		"PUT":                        {req: with(clientRequest("batch", serverKey, one), func(r *events.APIGatewayProxyRequest) { r.HTTPMethod = "PUT" }), status: 405},
		"settings":                   {req: with(clientRequest("projects/"+serverKey+"/settings", "", ""), func(r *events.APIGatewayProxyRequest) { r.HTTPMethod = "GET" }), status: 200},
		"settings of an unknown key": {req: with(clientRequest("projects/x/settings", "", ""), func(r *events.APIGatewayProxyRequest) { r.HTTPMethod = "GET" }), status: 401},
		"settings for another page": {req: with(clientRequest("projects/"+webKey+"/settings", "", ""), func(r *events.APIGatewayProxyRequest) {
			from("https://evil.example.com")(r)
			r.HTTPMethod = "GET"
		}), status: 403},
		"a source configuration":      {req: with(clientRequest("sourceConfig/", serverKey, ""), func(r *events.APIGatewayProxyRequest) { r.HTTPMethod = "GET" }), status: 200},
		"a user id that was replaced": {req: clientRequest("batch", serverKey, strings.Replace(one, `"u0"`, `"M\ufffdller"`, 1)), status: 200, rejected: 1},
	} {
		m := metrics{}
		resp, err := clientHandler(&c.stream, m, nil).Handle(t.Context(), c.req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		stored := 0
		for _, records := range c.stream.data {
			for _, data := range records {
				stored += len(event.Lines(data))
			}
		}
		if resp.StatusCode != c.status || stored != c.stored || m[contract.MetricAccepted] != c.accepted || m[contract.MetricRefused] != c.rejected || m[contract.MetricUnavailable] != float64(c.unavailable) {
			t.Errorf("%s: %d, %d stored, %v, %.300s", name, resp.StatusCode, stored, m, resp.Body)
		}
		if ok := resp.StatusCode == 200 && c.req.HTTPMethod == http.MethodPost; ok != (resp.Body == `{"success":true}`) {
			t.Errorf("%s: %s", name, resp.Body)
		}
		if (resp.Headers["Retry-After"] != "") != (c.status == 503) {
			t.Errorf("%s: %v", name, resp.Headers)
		}
		if text, err := json.Marshal(resp); err != nil || strings.Contains(string(text), contract.HashWriteKey(serverKey)) {
			t.Errorf("%s: %s %v", name, text, err)
		}
	}
}

func TestPreflightsOfClients(t *testing.T) {
	for _, resource := range []string{api.PathClients, api.PathBeacon} {
		for origin, want := range map[string]string{page: page, "https://evil.example.com": "", "null": "", "": ""} {
			req := clientRequest("batch", "", "")
			req.Resource, req.HTTPMethod, req.Headers["Origin"] = resource, http.MethodOptions, origin
			resp, err := clientHandler(&stream{}, metrics{}, nil).Handle(t.Context(), req)
			if err != nil || resp.StatusCode != 204 || resp.Headers["Access-Control-Allow-Origin"] != want || resp.Headers["Vary"] != "Origin" {
				t.Errorf("%s, %q: %+v %v", resource, origin, resp, err)
			}
			req.Headers["Access-Control-Request-Headers"] = "content-type,x-retry-count"
			if again, err := clientHandler(&stream{}, metrics{}, nil).Handle(t.Context(), req); err != nil || !strings.HasSuffix(again.Headers["Access-Control-Allow-Headers"], ",x-retry-count") {
				t.Errorf("a retry's headers: %+v %v", again, err)
			}
			req.Headers["Access-Control-Request-Headers"] = "a\r\nset-cookie: b"
			if again, err := clientHandler(&stream{}, metrics{}, nil).Handle(t.Context(), req); err != nil || strings.Contains(again.Headers["Access-Control-Allow-Headers"], "cookie") {
				t.Errorf("a header that isn't: %+v %v", again, err)
			}
			allowed := strings.Split(resp.Headers["Access-Control-Allow-Headers"], ",")
			for _, name := range []string{"Authorization", "Content-Type", "AnonymousId", "SentAt"} {
				if !slices.Contains(allowed, name) {
					t.Errorf("%s is not allowed", name)
				}
			}
			if exposed := resp.Headers["Access-Control-Expose-Headers"]; want != "" && !strings.Contains(exposed, "Retry-After") {
				t.Errorf("exposed: %s", exposed)
			}
		}
	}
}

func TestRateOfAKey(t *testing.T) {
	h := clientHandler(&stream{}, metrics{}, nil)
	var got []int
	for range 4 {
		resp, err := h.Handle(t.Context(), clientRequest("batch", limitedKey, messages(1)))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, resp.StatusCode)
		if resp.StatusCode == 429 && resp.Headers["Retry-After"] != "1" {
			t.Error(resp.Headers)
		}
	}
	if !slices.Equal(got, []int{200, 200, 429, 429}) {
		t.Error(got)
	}
	if resp, err := h.Handle(t.Context(), clientRequest("batch", serverKey, messages(1))); err != nil || resp.StatusCode != 200 {
		t.Error("another key is limited too: ", resp.StatusCode, err)
	}
}

func TestPrivacyAtIngest(t *testing.T) {
	private := func(env *contract.Ingest) {
		env.Privacy = contract.Privacy{IpAddresses: "truncate", DropProperties: []string{"properties.page", "properties.traits.email"}, HonorDoNotTrack: true}
	}
	s := &stream{}
	if resp, err := clientHandler(s, metrics{}, private).Handle(t.Context(), request(one("a"))); err != nil || resp.StatusCode != 202 {
		t.Fatal(resp, err)
	}
	if data := string(s.data["a"][0]); !strings.Contains(data, `"properties":{}`) {
		t.Error(data)
	}
	req := clientRequest("identify", webKey, `{"userId":"b","messageId":"m","timestamp":"2026-01-31T11:59:59Z","context":{},"traits":{"email":"x@example.com","plan":"p"}}`)
	req.Headers["Origin"], req.RequestContext.Identity.SourceIP = page, "203.0.113.77"
	if resp, err := clientHandler(s, metrics{}, private).Handle(t.Context(), req); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	if data := string(s.data["b"][0]); !strings.Contains(data, `"context":{"ip":"203.0.113.0"},"traits":{"plan":"p"}`) {
		t.Error(data)
	}
	for _, header := range []string{"dnt", "Sec-GPC"} {
		s := &stream{}
		req := clientRequest("batch", serverKey, messages(1))
		req.Headers[header] = "1"
		for honor, want := range map[bool]int{true: 0, false: 1} {
			resp, err := clientHandler(s, metrics{}, func(env *contract.Ingest) { env.Privacy.HonorDoNotTrack = honor }).Handle(t.Context(), req)
			if err != nil || resp.StatusCode != 200 || (honor && s.calls != 0) || (!honor && s.calls < want) {
				t.Errorf("%s, %t: %d calls, %d %v", header, honor, s.calls, resp.StatusCode, err)
			}
			s.calls = 0
		}
	}
}

// TestSkewIsInTheEnvelope keeps both times of a message whose client has a wrong clock.
func TestSkewIsInTheEnvelope(t *testing.T) {
	s := &stream{}
	body := strings.Replace(messages(1), `]}`, `],"sentAt":"2026-01-31T11:00:00Z"}`, 1)
	if resp, err := clientHandler(s, metrics{}, nil).Handle(t.Context(), clientRequest("batch", serverKey, body)); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	e, err := event.DecodeEnvelope(s.data["u0"][0])
	if err != nil || !e.Skewed() || e.ClientTime.Format("15:04:05") != "11:59:59" || e.Event.Timestamp.Sub(e.ClientTime) != e.Skew || e.Skew.Hours() < 0.99 {
		t.Errorf("%+v %v", e, err)
	}
}

// TestLinksAreInTheEnvelope links anonymous ids to a user, but never a signed event's.
func TestLinksAreInTheEnvelope(t *testing.T) {
	for body, want := range map[string]string{
		`"type":"track","event":"e","userId":"u","anonymousId":"a"`:                        `["anon:a"]`,
		`"type":"alias","userId":"u","previousId":"victim","anonymousId":"a"`:              `["anon:a" "anon:victim"]`,
		`"type":"alias","userId":"u","previousId":"a","anonymousId":"a"`:                   `["anon:a"]`,
		`"type":"identify","userId":"u","previousId":"a"`:                                  `[]`,
		`"type":"identify","userId":"guest","anonymousId":"a"`:                             `[]`,
		`"type":"identify","userId":null,"anonymousId":"a"`:                                `[]`,
		`"type":"identify","userId":"anon:b","anonymousId":"a"`:                            `[]`,
		`"type":"identify","userId":"u","anonymousId":"undefined"`:                         `[]`,
		`"type":"identify","userId":"u","anonymousId":0`:                                   `[]`,
		`"type":"identify","userId":"u","anonymousId":"a\u0000"`:                           `[]`,
		`"type":"identify","userId":"u","anonymousId":"` + strings.Repeat("a", 300) + `"`:  `[]`,
		`"type":"identify","userId":"u","anonymousId":{"a":1}`:                             `[]`,
		`"type":"alias","userId":"u","previousId":["a"],"anonymousId":"\u00e9\"'; DROP--"`: `["anon:é\"'; DROP--"]`,
	} {
		s := &stream{}
		if resp, err := clientHandler(s, metrics{}, nil).Handle(t.Context(), clientRequest("batch", webKey, `{"batch":[{"messageId":"m",`+body+`}]}`)); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		var got []string
		for _, records := range s.data {
			e, err := event.DecodeEnvelope(records[0])
			if err != nil {
				t.Fatal(err)
			}
			got = e.Links
		}
		if text := fmt.Sprintf("%q", got); text != want || len(s.data) != 1 {
			t.Errorf("%s: %s in %d records", body, text, len(s.data))
		}
	}
	s := &stream{}
	signed := `{"userId":"u","eventType":"alias","properties":{"type":"alias","anonymousId":"a","previousId":"b","userId":"u"}}`
	if resp, err := clientHandler(s, metrics{}, nil).Handle(t.Context(), request(signed)); err != nil || resp.StatusCode != 202 {
		t.Fatal(resp, err)
	}
	if e, err := event.DecodeEnvelope(s.data["u"][0]); err != nil || e.Links != nil {
		t.Errorf("%+v %v", e, err)
	}
	private := func(env *contract.Ingest) { env.Privacy.DropProperties = []string{"properties.anonymousId"} }
	if resp, err := clientHandler(s, metrics{}, private).Handle(t.Context(), clientRequest("identify", webKey, `{"userId":"v","anonymousId":"a"}`)); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	if e, err := event.DecodeEnvelope(s.data["v"][0]); err != nil || e.Links != nil {
		t.Errorf("a dropped anonymousId: %+v %v", e, err)
	}
}

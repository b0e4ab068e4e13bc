package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/streamctl/streamctl/functions/ingest"
	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/pause"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)

// stream stores acknowledged records. fail makes a record's n-th put fail; down
// makes the whole call fail.
type stream struct {
	fail  func(call int, key string) bool
	down  func(call int) bool
	calls int
	data  map[string][][]byte
}

func (s *stream) PutRecords(_ context.Context, in *kinesis.PutRecordsInput, _ ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error) {
	s.calls++
	if s.down != nil && s.down(s.calls) {
		return nil, errors.New("connection reset")
	}
	out := &kinesis.PutRecordsOutput{}
	for _, r := range in.Records {
		if s.fail != nil && s.fail(s.calls, *r.PartitionKey) {
			out.Records = append(out.Records, types.PutRecordsResultEntry{ErrorCode: aws.String("ProvisionedThroughputExceededException")})
			continue
		}
		if s.data == nil {
			s.data = map[string][][]byte{}
		}
		s.data[*r.PartitionKey] = append(s.data[*r.PartitionKey], r.Data)
		out.Records = append(out.Records, types.PutRecordsResultEntry{SequenceNumber: aws.String("1"), ShardId: aws.String("s")})
	}
	return out, nil
}

type metrics map[string]float64

func (m metrics) Emit(_ context.Context, all ...emf.Metric) {
	for _, one := range all {
		m[one.Name] += one.Value
	}
}

func handler(s *stream, m metrics) *ingest.Handler {
	return ingest.New(contract.Ingest{Stream: "events", EventMaxAgeDays: 30}, ingest.Deps{
		Stream: s, Metrics: m, Log: slog.New(slog.DiscardHandler),
		Clock: pause.Clock{Time: func() time.Time { return now }, Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }},
	})
}

func request(body string) events.APIGatewayProxyRequest {
	return events.APIGatewayProxyRequest{Body: body, RequestContext: events.APIGatewayProxyRequestContext{RequestID: "req-1"}}
}

func zipped(t *testing.T, body string) events.APIGatewayProxyRequest {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	if _, err := io.WriteString(zw, body); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	req := request(base64.StdEncoding.EncodeToString(b.Bytes()))
	req.IsBase64Encoded = true
	return req
}

func one(user string) string {
	return `{"userId":"` + user + `","eventType":"page_view","properties":{"page":"/"}}`
}

func list(events ...string) string { return "[" + strings.Join(events, ",") + "]" }

func TestStatuses(t *testing.T) {
	bad := `{"userId":"u"}`
	onlyB := func(_ int, key string) bool { return key == "b" }
	damaged := zipped(t, one("a"))
	damaged.Body = base64.StdEncoding.EncodeToString([]byte{0x1f, 0x8b, 0, 0})
	claims := func(coding string) events.APIGatewayProxyRequest {
		req := encoded(one("a"))
		req.Headers = map[string]string{"content-encoding": coding}
		return req
	}
	badBase64 := request("%%%")
	badBase64.IsBase64Encoded = true
	for name, c := range map[string]struct {
		req                            events.APIGatewayProxyRequest
		stream                         stream
		status                         int
		accepted, refused, unavailable float64
		body                           string
	}{
		"one event":                {req: request(one("a")), status: 202, accepted: 1, body: `"status":202`},
		"base64":                   {req: events.APIGatewayProxyRequest{Body: base64.StdEncoding.EncodeToString([]byte(one("a"))), IsBase64Encoded: true}, status: 202, accepted: 1},
		"gzip":                     {req: zipped(t, list(one("a"), one("b"))), status: 202, accepted: 2},
		"a batch of 500":           {req: request(list(strings.Split(strings.Repeat(one("a")+"\n", 499)+one("a"), "\n")...)), status: 202, accepted: 500},
		"some refused":             {req: request(list(one("a"), bad)), status: 207, accepted: 1, refused: 1, body: `"eventType","detail":"is required"`},
		"all refused":              {req: request(list(bad, `7`)), status: 400, refused: 2, body: `"event":1,"detail":"must be a JSON object"`},
		"a batch of 501":           {req: request(list(strings.Split(strings.Repeat(one("a")+"\n", 500)+one("a"), "\n")...)), status: 400, refused: 1, body: "at most 500 events"},
		"an empty batch":           {req: request("[]"), status: 400, refused: 1, body: "the batch is empty"},
		"not JSON":                 {req: request("userId=a"), status: 400, refused: 1, body: "the body is a form"},
		"10 MB":                    {req: request(strings.Repeat(" ", 10<<20)), status: 413, refused: 1, body: "more than 4194304 bytes"},
		"a gzip bomb":              {req: zipped(t, strings.Repeat(" ", 8<<20)), status: 413, refused: 1, body: "more than 4194304 bytes"},
		"damaged gzip":             {req: damaged, status: 400, refused: 1, body: "gzip"},
		"API Gateway decompressed": {req: claims("gzip"), status: 202, accepted: 1},
		"header in capitals":       {req: claims("GZIP"), status: 202, accepted: 1},
		"API Gateway inflated":     {req: claims("deflate"), status: 202, accepted: 1},
		"identity":                 {req: claims("identity"), status: 202, accepted: 1},
		"an unknown coding":        {req: claims("br"), status: 202, accepted: 1},
		"gzip of two members":      {req: encoded(gz("["+one("a")+",") + gz(one("b")+"]")), status: 202, accepted: 2},
		"a type of words":          {req: request(strings.Replace(one("a"), "page_view", "Order Completed", 1)), status: 202, accepted: 1},
		"bad base64":               {req: badBase64, status: 400, refused: 1, body: "base64"},
		"too old":                  {req: request(strings.Replace(one("a"), "{", `{"timestamp":"2025-12-31T12:00:00Z",`, 1)), status: 400, refused: 1, body: "30 days before now"},
		"25 hours ahead":           {req: request(strings.Replace(one("a"), "{", `{"timestamp":"2026-02-01T13:00:00Z",`, 1)), status: 400, refused: 1, body: "24 hours after"},
		"stream down":              {req: request(one("a")), stream: stream{down: func(int) bool { return true }}, status: 503, unavailable: 1, body: "may have been stored; send again unchanged"},
		"stream down at first":     {req: request(one("a")), stream: stream{down: func(n int) bool { return n < 3 }}, status: 202, accepted: 1},
		"one user throttled":       {req: request(list(one("a"), one("b"))), stream: stream{fail: onlyB}, status: 207, accepted: 1, unavailable: 1, body: `"status":503`},
		"refused and unavailable":  {req: request(list(bad, one("b"))), stream: stream{fail: onlyB}, status: 503, refused: 1, unavailable: 1, body: `"eventId"`},
		"throttled at first":       {req: request(list(one("a"), one("b"))), stream: stream{fail: func(n int, key string) bool { return n < 3 && key == "b" }}, status: 202, accepted: 2},
		"an id but no time":        {req: request(strings.Replace(one("a"), "{", `{"eventId":"7f6f2a41-6f70-4c3e-9a70-2f4d0d1f2a3b",`, 1)), status: 400, refused: 1, body: "needed with eventId"},
		"one malformed in a batch": {req: request(list(one("a"), `{"userId":"a","userId":"b","eventType":"x"}`)), status: 207, accepted: 1, refused: 1, body: "duplicate"},
	} {
		m := metrics{}
		resp, err := handler(&c.stream, m).Handle(t.Context(), c.req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if resp.StatusCode != c.status || !strings.Contains(resp.Body, c.body) {
			t.Errorf("%s: %d %.300s, want %d with %s", name, resp.StatusCode, resp.Body, c.status, c.body)
		}
		if m[contract.MetricAccepted] != c.accepted || m[contract.MetricRefused] != c.refused || m[contract.MetricUnavailable] != c.unavailable {
			t.Errorf("%s: metrics are %v", name, m)
		}
		if (resp.Headers["Retry-After"] != "") != (c.unavailable > 0) {
			t.Errorf("%s: headers are %v", name, resp.Headers)
		}
		wantType := "application/problem+json"
		if c.status < 300 {
			wantType = "application/json"
		}
		if resp.Headers["Content-Type"] != wantType {
			t.Errorf("%s: Content-Type is %s", name, resp.Headers["Content-Type"])
		}
	}
}

func TestOnlyFailedRecordsAreTriedAgain(t *testing.T) {
	s := &stream{fail: func(n int, key string) bool { return n == 1 && key == "b" }}
	resp, err := handler(s, metrics{}).Handle(t.Context(), request(list(one("a"), one("b"), one("a"), one("c"))))
	if err != nil || resp.StatusCode != 202 {
		t.Fatal(resp, err)
	}
	if s.calls != 2 {
		t.Errorf("%d calls", s.calls)
	}
	for user, records := range map[string]int{"a": 1, "b": 1, "c": 1} {
		if len(s.data[user]) != records {
			t.Errorf("user %s has %d records, want one that shares its events", user, len(s.data[user]))
		}
	}
	var answer api.EventsResponse
	if err := json.Unmarshal([]byte(resp.Body), &answer); err != nil {
		t.Fatal(err)
	}
	lines := event.Lines(s.data["a"][0])
	for n, i := range []int{0, 2} {
		e, err := event.DecodeEnvelope(lines[n])
		if err != nil {
			t.Fatal(err)
		}
		r := answer.Results[i]
		if e.Index != i || e.RequestID != "req-1" || e.Event.ID.String() != r.EventID || string(event.AppendTime(nil, e.Event.Timestamp)) != r.Timestamp {
			t.Errorf("envelope %+v, result %+v", e, r)
		}
	}
}

func TestIdentityOfTheClientStays(t *testing.T) {
	s := &stream{}
	body := strings.Replace(one("a"), "{", `{"eventId":"7f6f2a41-6f70-4c3e-9a70-2f4d0d1f2a3b","timestamp":"2026-01-31T11:00:00.1234567Z",`, 1)
	resp, err := handler(s, metrics{}).Handle(t.Context(), request(body))
	if err != nil || resp.StatusCode != 202 || !strings.Contains(resp.Body, `"timestamp":"2026-01-31T11:00:00.123456Z"`) {
		t.Errorf("%+v, %v", resp, err)
	}
}

func TestTimeEndsTheTries(t *testing.T) {
	s := &stream{down: func(int) bool { return true }}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Second)) // less than the reserve for the response
	defer cancel()
	resp, err := handler(s, metrics{}).Handle(ctx, request(one("a")))
	if err != nil || resp.StatusCode != 503 || s.calls != 1 {
		t.Errorf("%d calls, %d, %v", s.calls, resp.StatusCode, err)
	}
}

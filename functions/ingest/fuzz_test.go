package ingest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/event"
)

// FuzzBody sends arbitrary bodies: plain, in base64, gzipped, and gzipped with
// a few changed bytes. Each gets a response, accepted events are on the stream,
// and the encoding makes no difference.
func FuzzBody(f *testing.F) {
	bad := `{"userId":"u","userId":"u","eventType":"x","properties":{"a":"\ud800"}}`
	for _, body := range []string{
		"\xef\xbb\xbf{}", "{\x00}\x00", "\xff\xfe{\x00", "{'a':1}", "[{},]", `{"a":NaN}`, `{"a":0x1F}`, one("a") + "\n" + one("b"), "a=b", "<a/>", "eyJhIjoxfSAgICAgICAg",
		`{"userId":"M\xfcller","eventType":"x"}`, "{\"userId\":\"\ufffd\",\"eventType\":\"x\"}", `{"userId":"u","eventType":"Größe 😀","properties":{"a":1e400}}`, gz(one("a")) + gz(" "), gz(gz("7")),
		"", "7", "\x1f\x8b", "\x1f\x8b\x08\x00", "\xff", one("a"), list(one("a"), one("b")), list(one("a"), bad), bad, `{"events":` + list(one("ü")) + `}`,
		list(one("a"), `{"userId":"a","eventType":"x","eventId":"7f6f2a41-6f70-4c3e-9a70-2f4d0d1f2a3b","timestamp":"2026-01-31T11:00:00Z"}`),
	} {
		f.Add([]byte(body), uint(0), byte(0))
		f.Add([]byte(body), uint(11), byte(7))
	}
	f.Fuzz(func(t *testing.T, body []byte, at uint, flip byte) {
		status := answer(t, request(string(body)))
		encoded := events.APIGatewayProxyRequest{Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true}
		if again := answer(t, encoded); again != status {
			t.Errorf("%q: plain %d, in base64 %d", body, status, again)
		}
		var b bytes.Buffer
		zw := gzip.NewWriter(&b)
		if _, err := zw.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			t.Fatal(err)
		}
		packed := b.Bytes()
		packed[at%uint(len(packed))] ^= flip
		encoded.Body = base64.StdEncoding.EncodeToString(packed)
		if again := answer(t, encoded); flip == 0 && again != status && !bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
			t.Errorf("%q: plain %d, gzipped %d", body, status, again)
		}
	})
}

// answer sends a request and compares the response with the stream.
func answer(t *testing.T, req events.APIGatewayProxyRequest) (status int) {
	s := &stream{}
	resp, err := handler(s, metrics{}).Handle(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var a api.EventsResponse
	if err := json.Unmarshal([]byte(resp.Body), &a); err != nil {
		t.Fatalf("%s: %v", resp.Body, err)
	}
	stored := map[string]bool{}
	for user, records := range s.data {
		for _, data := range records {
			for _, line := range event.Lines(data) {
				e, err := event.DecodeEnvelope(line)
				if err != nil || event.PartitionKey(e.Event.UserID) != user {
					t.Fatalf("of user %q: %s, %v", user, line, err)
				}
				stored[e.Event.ID.String()+string(event.AppendTime(nil, e.Event.Timestamp))] = true
			}
		}
	}
	accepted := 0
	for _, r := range a.Results {
		if r.Status == 202 {
			accepted++
			if !stored[r.EventID+r.Timestamp] {
				t.Errorf("%+v isn't on the stream", r)
			}
		}
	}
	switch status = resp.StatusCode; {
	case status == 202 && accepted == len(a.Results) && accepted > 0:
	case status == 207 && accepted > 0:
	case status == 400 || status == 413:
		if s.calls > 0 || !strings.Contains(resp.Body, `"detail":`) {
			t.Errorf("%d calls, %s", s.calls, resp.Body)
		}
	default:
		t.Errorf("%d with %d accepted: %s", status, accepted, resp.Body)
	}
	return status
}

package event

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestDecodeLine(t *testing.T) {
	origin := Origin{Stream: "arn:aws:kinesis:us-east-1:123456789012:stream/s", Shard: "shardId-000000000000", Sequence: "49", Line: 1, Arrived: received.UTC(), PartitionKey: "key"}
	envelope := string(Envelope{Event: Event{ID: uuid.MustParse(id7), UserID: "u", Type: "x", Timestamp: received, Properties: []byte("{}")}, ReceivedAt: received}.AppendJSON(nil))
	for line, want := range map[string]string{
		envelope: "u x {}",
		`{"name":"purchase","attributes":{"item":"a"},"metrics":{"price":1.50}}`: `key purchase {"name":"purchase","attributes":{"item":"a"},"metrics":{"price":1.50}}`,
		`{"name":"purchase","userId":"ann"}`:                                     `ann purchase {"name":"purchase","userId":"ann"}`,
		`{"name":"purchase","userId":7}`:                                         `7 purchase {"name":"purchase","userId":7}`,
		`{ "userId": "ann", "eventType": "view", "properties": {"a": 1} }`:       `ann view {"a":1}`,
		`{"userId":"ann","eventType":"view","eventId":"` + id7 + `"}`:            `ann view {}`,
		`{"userId":"ann","eventType":"view","name":"x"}`:                         "error: name",
		`{"userId":"ann","eventType":"a\u0000"}`:                                 "error: eventType",
		`{"name":"M\ufffdller","userId":"a"}`:                                    "error: eventType",
		`{"name":7}`:                                                             "error: name",
		`{"name":"a","userId":{}}`:                                               "error: userId",
		`{"name":"a","name":"b"}`:                                                "error: decode envelope",
		`{"name":""}`:                                                            "error: eventType",
		`{"event":{"userId":"u","eventType":"x"},"name":"x"}`:                    "error: decode envelope",
		`{"temperature":20}`:                                                     "none of the formats amplify, event",
		`[1]`:                                                                    "error: decode envelope",
		"hello":                                                                  "error: decode envelope",
		`{"name":"a","x":"` + strings.Repeat("a", MaxPropertiesBytes) + `"}`: "error: properties",
	} {
		e, err := DecodeLine([]byte(line), origin, Formats())
		if err != nil {
			if !strings.Contains("error: "+err.Error(), strings.TrimPrefix(want, "error: ")) {
				t.Errorf("%.80s: %v, want %s", line, err, want)
			}
			continue
		}
		if got := e.Event.UserID + " " + e.Event.Type + " " + string(e.Event.Properties); got != want {
			t.Errorf("%.80s: %s, want %s", line, got, want)
		}
		again, err := DecodeEnvelope(e.AppendJSON(nil))
		if err != nil || again.Event.ID != e.Event.ID || e.Event.Timestamp.IsZero() || e.ReceivedAt.IsZero() {
			t.Errorf("%.80s: %+v, %v", line, e, err)
		}
		if _, err := DecodeLine([]byte(line), origin, nil); (err == nil) != (line == envelope) {
			t.Errorf("without formats: %.80s: %v", line, err)
		}
	}
	one := func(o Origin) uuid.UUID {
		e, err := DecodeLine([]byte(`{"name":"a"}`), o, Formats())
		if err != nil {
			t.Fatal(err)
		}
		return e.Event.ID
	}
	seen := map[uuid.UUID]bool{one(origin): true}
	same := origin
	same.Shard, same.Arrived, same.PartitionKey = "bucket:"+origin.Shard, received.AddDate(0, 0, 1), "other"
	if !seen[one(same)] || one(origin).Version() != 5 {
		t.Error("a replay of another archive has another id")
	}
	for _, change := range []func(*Origin){
		func(o *Origin) { o.Stream += "2" }, func(o *Origin) { o.Shard += "1" }, func(o *Origin) { o.Sequence += "1" }, func(o *Origin) { o.Line++ },
	} {
		other := origin
		change(&other)
		if id := one(other); seen[id] {
			t.Errorf("%+v has the id of another line", other)
		} else {
			seen[id] = true
		}
	}
	for _, line := range []string{`{"name":"a"}`, `{"userId":"u","eventType":"a"}`} {
		old := origin
		old.Stream = ""
		if _, err := DecodeLine([]byte(line), old, Formats()); err == nil || !strings.Contains(err.Error(), "without StreamFormats") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func FuzzDecodeLine(f *testing.F) {
	f.Add([]byte(`{"name":"purchase","attributes":{"item":"a"}}`), "key")
	f.Add([]byte(`{"userId":"u","eventType":"x"}`), "")
	f.Fuzz(func(t *testing.T, line []byte, key string) {
		e, err := DecodeLine(line, Origin{Stream: "s", Shard: "0", Sequence: "1", Arrived: received, PartitionKey: key}, Formats())
		if err != nil {
			return
		}
		if again, err := DecodeEnvelope(e.AppendJSON(nil)); err != nil || again.Event.UserID != e.Event.UserID || again.Event.ID != e.Event.ID {
			t.Errorf("%q: %+v became %+v, %v", line, e, again, err)
		}
	})
}

package event

import (
	"bytes"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

var received = time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC)

func TestIdentify(t *testing.T) {
	var e Event
	if err := e.Identify(received, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if e.ID.Version() != 7 || e.ID.Variant() != uuid.RFC4122 || !e.Timestamp.Equal(received.Truncate(time.Millisecond)) {
		t.Errorf("identity is %s, %s", e.ID, e.Timestamp)
	}
	inside, detail := timeOf(e.ID)
	if detail != "" || !inside.Equal(received.Truncate(time.Millisecond)) {
		t.Errorf("time inside the id is %s, %s", inside, detail)
	}
	before := e
	if err := e.Identify(received.Add(time.Hour), rand.Reader); err != nil || e.ID != before.ID || e.Timestamp != before.Timestamp {
		t.Errorf("a second time changed the identity to %s, %s: %v", e.ID, e.Timestamp, err)
	}
	if err := (&Event{}).Identify(received, bytes.NewReader(nil)); err == nil {
		t.Error("no randomness and no error")
	}
}

func TestBounds(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		off              time.Duration
		receipt, arrival bool
	}{
		{0, true, true},
		{-30 * day, true, true},
		{-30*day - time.Microsecond, false, true},
		{-366 * day, false, true},
		{-366*day - time.Microsecond, false, false},
		{24 * time.Hour, true, true},
		{24*time.Hour + time.Microsecond, false, true},
		{25 * time.Hour, false, true},
		{25*time.Hour + time.Microsecond, false, false},
	} {
		e := Event{Timestamp: received.Add(c.off)}
		if _, ok := e.CheckReceipt(received, 30); ok != c.receipt {
			t.Errorf("%s from receipt: accepted is %t", c.off, ok)
		}
		if err := e.CheckArrival(received); (err == nil) != c.arrival {
			t.Errorf("%s from arrival: %v", c.off, err)
		}
	}
	if e := (Event{Timestamp: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}); e.CheckArrival(received) == nil {
		t.Error("year 9999 was accepted")
	}
}

func TestEnvelopeRoundTrip(t *testing.T) {
	e := Envelope{
		Event: Event{
			ID: uuid.MustParse(id7), UserID: "u\"\n\u2028ü", Type: "x", Timestamp: received.Truncate(time.Microsecond),
			Properties: []byte(`{"a":"\n","b":1.50}`),
		},
		ReceivedAt: received.Truncate(time.Microsecond), RequestID: "r", Index: 499,
	}
	line := e.AppendJSON(nil)
	if bytes.ContainsRune(line, '\n') {
		t.Fatalf("envelope spans lines: %s", line)
	}
	got, err := DecodeEnvelope(line)
	if err != nil {
		t.Fatal(err)
	}
	if again := got.AppendJSON(nil); !bytes.Equal(again, line) {
		t.Errorf("read back:\n%s\nwant\n%s", again, line)
	}
}

func TestDecodeEnvelopeRefuses(t *testing.T) {
	for _, line := range []string{
		"", "garbage", "[]", "{}", `{"event":{},"receivedAt":"2026-01-31T12:00:00Z"}`,
		`{"event":{"userId":"u","eventType":"x"},"receivedAt":"2026-01-31T12:00:00Z","requestId":"r","index":0}`,
		`{"event":{"eventId":"` + id7 + `","userId":"u","eventType":"x"},"requestId":"r","index":0}`,
		`{"event":{"eventId":"` + id7 + `","userId":"u","eventType":"x","extra":0},"receivedAt":"2026-01-31T12:00:00Z"}`,
	} {
		if e, err := DecodeEnvelope([]byte(line)); err == nil {
			t.Errorf("%q was accepted: %+v", line, e)
		}
	}
}

func TestDecodeEnvelopeOfANewerIngest(t *testing.T) {
	line := `{"event":{"eventId":"` + id7 + `","userId":"u","eventType":"x"},"receivedAt":"2026-01-31T12:00:00Z","requestId":"r","index":3,"principal":"p"}`
	if e, err := DecodeEnvelope([]byte(line)); err != nil || e.Index != 3 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestLongPartitionKeysAreHashed(t *testing.T) {
	seen := map[string]string{}
	for _, user := range []string{
		"u", strings.Repeat("a", 255), strings.Repeat("é", 128), strings.Repeat("é", 129), strings.Repeat("😀", 64), strings.Repeat("😀", 65),
		strings.Repeat("😀", 129), strings.Repeat("😀", 255), strings.Repeat("語", 255), strings.Repeat("語", 254) + "a",
	} {
		key := PartitionKey(user)
		if len(key) < 1 || len(key) > 256 || (len(user) <= 256) != (key == user) || key != PartitionKey(strings.Clone(user)) {
			t.Errorf("the key of %d bytes is %q", len(user), key)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%.20q and %.20q have the key %q", user, other, key)
		}
		seen[key] = user
		e := Envelope{Event: Event{ID: uuid.MustParse(id7), UserID: user, Type: "x", Timestamp: received.Truncate(time.Microsecond), Properties: []byte("{}")}, ReceivedAt: received}
		records := Pack([]Envelope{e, e})
		if len(records) != 1 || records[0].PartitionKey != key || len(records[0].Envelopes) != 2 {
			t.Fatalf("%.20q: packed into %d records", user, len(records))
		}
		if got, err := DecodeEnvelope(Lines(records[0].Data)[1]); err != nil || got.Event.UserID != user {
			t.Errorf("%.20q came back as %.20q, %v", user, got.Event.UserID, err)
		}
	}
}

func TestPack(t *testing.T) {
	large := []byte(`{"a":"` + strings.Repeat("b", 30_000) + `"}`)
	var envelopes []Envelope
	for i := range 100 {
		user := "a"
		if i%10 == 0 {
			user = "b"
		}
		envelopes = append(envelopes, Envelope{
			Event: Event{ID: uuid.New(), UserID: user, Type: "x", Timestamp: received, Properties: large}, ReceivedAt: received, Index: i,
		})
	}
	seen := map[int]bool{}
	last := map[string]int{"a": -1, "b": -1}
	for _, r := range Pack(envelopes) {
		if len(r.Data)+len(r.PartitionKey) > 1<<20 {
			t.Errorf("record has %d bytes", len(r.Data))
		}
		lines := Lines(r.Data)
		if len(lines) != len(r.Envelopes) {
			t.Fatalf("record has %d lines for %d envelopes", len(lines), len(r.Envelopes))
		}
		for n, i := range r.Envelopes {
			e, err := DecodeEnvelope(lines[n])
			if err != nil || e.Index != i || e.Event.UserID != r.PartitionKey {
				t.Errorf("line %d: index %d, user %q, %v", n, e.Index, e.Event.UserID, err)
			}
			if i <= last[r.PartitionKey] {
				t.Errorf("event %d of %s comes after %d", i, r.PartitionKey, last[r.PartitionKey])
			}
			last[r.PartitionKey], seen[i] = i, true
		}
	}
	if len(seen) != len(envelopes) {
		t.Errorf("%d of %d envelopes were packed", len(seen), len(envelopes))
	}
}

func BenchmarkIngestPath(b *testing.B) {
	raw := []byte(`{"userId":"user123","eventType":"page_view","properties":{"page":"/dashboard","ref":"` + strings.Repeat("x", 150) + `","n":12.5}}`)
	b.ReportAllocs()
	for b.Loop() {
		e, errs := Decode(raw)
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		if err := e.Identify(received, rand.Reader); err != nil {
			b.Fatal(err)
		}
		_ = Envelope{Event: e, ReceivedAt: received}.AppendJSON(nil)
	}
}

func BenchmarkDecodeEnvelope(b *testing.B) {
	e := Envelope{
		Event: Event{ID: uuid.MustParse(id7), UserID: "user123", Type: "page_view", Timestamp: received.Truncate(time.Microsecond),
			Properties: []byte(`{"page":"/dashboard","ref":"` + strings.Repeat("x", 150) + `","n":12.5}`)},
		ReceivedAt: received.Truncate(time.Microsecond), RequestID: "3f0e7b8a-6f70-4c3e-9a70-2f4d0d1f2a3b", Index: 7,
	}
	line := e.AppendJSON(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeEnvelope(line); err != nil {
			b.Fatal(err)
		}
	}
}

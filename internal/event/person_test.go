package event

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func TestIsPerson(t *testing.T) {
	for id, want := range map[string]bool{
		"u": true, "42": true, "null-island": true, "guest-7": true, "Anon:a": true,
		"": false, "null": false, " NULL ": false, "undefined": false, "0": false, "Guest": false, "anon:x": false, "[object Object]": false, "None": false, "-1": false,
	} {
		if IsPerson(id) != want {
			t.Errorf("%q: %t", id, !want)
		}
	}
}

func TestLink(t *testing.T) {
	for id, want := range map[string]string{
		"a": "anon:a", strings.Repeat("é", 250): "anon:" + strings.Repeat("é", 250),
		strings.Repeat("é", 251): "", "": "", "undefined": "", "anon:a": "", "a\x00": "", "a\uFFFD": "", "a\xff": "",
	} {
		if got := Link(id); got != want {
			t.Errorf("%.20q: %.20q", id, got)
		}
	}
}

// TestLinksOfAnEnvelope reads envelopes in ingest's form and in another one.
func TestLinksOfAnEnvelope(t *testing.T) {
	const start = `{"event":{"eventId":"` + id7 + `","userId":"u","eventType":"x","timestamp":"2026-01-31T12:00:00.000000Z","properties":{}},"receivedAt":"2026-01-31T12:00:00.000000Z","requestId":"r","index":3`
	for rest, want := range map[string][]string{
		`}`:                                    nil,
		`,"links":["anon:a"]}`:                 {"anon:a"},
		`,"links":["anon:a","anon:\u00e9\""]}`: {"anon:a", "anon:é\""},
		`,"links":["user","anon:","anon:\u0000","anon:b"]}`:                          {"anon:b"},
		`,"links":["anon:a","anon:b","anon:c"]}`:                                     {"anon:a", "anon:b"},
		`,"links":["anon:a"],"clientTime":"2026-01-31T11:00:00.000000Z","skewMs":1}`: {"anon:a"},
		`,"links":[]}`: nil,
	} {
		for _, line := range []string{start + rest, strings.Replace(start+rest, `{"event":`, `{ "event":`, 1)} {
			e, err := DecodeEnvelope([]byte(line))
			if err != nil || !slices.Equal(e.Links, want) || e.Index != 3 || e.Skewed() != strings.Contains(rest, "skewMs") {
				t.Errorf("%s: %q, %v", rest, e.Links, err)
			}
			again, err := DecodeEnvelope(e.AppendJSON(nil))
			if err != nil || !bytes.Equal(again.AppendJSON(nil), e.AppendJSON(nil)) {
				t.Errorf("%s: written %s, %v", rest, e.AppendJSON(nil), err)
			}
		}
	}
	for _, rest := range []string{`,"links":["anon:a"}`, `,"links":["anon:a]}`, `,"links":"anon:a"}`, `,"links":[1]}`} {
		if e, err := DecodeEnvelope([]byte(start + rest)); err == nil {
			t.Errorf("%s was accepted: %q", rest, e.Links)
		}
	}
	e := Envelope{Event: Event{ID: uuid.MustParse(id7), UserID: "u", Type: "x", Timestamp: received, Properties: []byte("{}")}, ReceivedAt: received, Links: []string{"anon:a", "anon:b"}}
	p := parser{text: e.AppendJSON(nil)}
	if fast, ok := p.envelope(); !ok || !slices.Equal(fast.Links, e.Links) {
		t.Errorf("the fast path: %q, %t", fast.Links, ok)
	}
}

package event

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// seeds are events and bodies: valid, invalid, and borderline.
func seeds() []string {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) }
	var members []string
	for i := range MaxKeys + 1 {
		members = append(members, `"k`+strconv.Itoa(i)+`":0`)
	}
	with := func(properties string) string {
		return `{"userId":"u","eventType":"page_view","properties":` + properties + `}`
	}
	return []string{
		`{"userId":"u","eventType":"x"}`,
		` { "userId" : "ü\u00fc\ud83d\ude00\"" , "eventType" : "a.b:C-9" , "properties" : { "a" : [ 1 , -2.5e+3 , true , false , null , "\n" ] } } `,
		`{"userId":"u","eventType":"x","timestamp":"2026-01-31T12:00:00.123456999+02:00","eventId":"` + strings.ToUpper(id4) + `"}`,
		`{"userId":"u","eventType":"x","eventId":"` + id7 + `","properties":{}}`,
		`{"userId":"u","eventType":"x","eventId":"` + id4 + `"}`,
		`{"userId":"u","userId":"v","eventType":"x"}`,
		`{"user\u0049d":"u","eventType":"x"}`,
		`{"userId":null,"eventType":1,"properties":[],"timestamp":"2026","eventId":"{}"}`,
		`{"userId":"","eventType":"page view"}`,
		`{"userId":"` + strings.Repeat("ü", 256) + `","eventType":"x"}`,
		`{"userId":"u","eventType":"x","timestamp":"0001-01-01T00:00:00Z"}`,
		`{"userId":"u","eventType":"x","timestamp":"2026-01-31T1:00:00,5Z"}`,
		`{"userId":"u","eventType":"x","timestamp":"2026-01-31T12:00:00+24:01"}`,
		`{"userId":"u","eventType":"x","other":0}`,
		`{"userId":"u","eventType":"x",}`, `{"userId":"u" "eventType":"x"}`, `{"userId":`, `{}`, `{`, ``, `7`, `"`, "\xff", "\x00",
		with(`{"a":{"b":1,"b":2}}`), with(`{"a":{"b":1,"\u0062":2}}`), with(`{"":0,"a":{"":1}}`),
		with(`{"a":"\ud800"}`), with(`{"a":"\udc00\ud800"}`), with(`{"a":"\ud83dx"}`), with(`{"a":"\u0000"}`), with(`{"a":"\\u0000"}`),
		with("{\"a\":\"\xff\"}"), with("{\"\xed\xa0\x80\":1}"), with("{\"a\":\"\t\"}"), with(`{"a":"\x"}`), with(`{"a":"\u00g0"}`),
		with(`{"a":01}`), with(`{"a":-}`), with(`{"a":1.}`), with(`{"a":.5}`), with(`{"a":1e}`), with(`{"a":-0.0E-400}`), with(`{"a":1e401}`),
		with(`{"a":` + strings.Repeat("9", 256) + `}`), with(`{"a":` + strings.Repeat("9", 257) + `}`),
		with(`[]`), with(`null`), with(`{"a":tru}`), with(`{"a":[1,]}`), with(`{"a":[,1]}`), with(`{a:1}`),
		with(deep(MaxDepth - 1)), with(deep(MaxDepth)), with(deep(1000)),
		with(`{` + strings.Join(members[:MaxKeys], ",") + `}`), with(`{` + strings.Join(members, ",") + `}`),
		with(`{` + strings.Join(members[:maxNames-3], ",") + `}`), with(`{` + strings.Join(members[:maxNames-2], ",") + `}`),
		with(`{"a":"` + strings.Repeat("b", MaxPropertiesBytes-8) + `"}`), with(`{"a":"` + strings.Repeat("b", MaxPropertiesBytes-7) + `"}`),
		with(`{"a":"` + strings.Repeat(" ", MaxPropertiesBytes-9) + `" }`), with(`{ "a":"` + strings.Repeat(" ", MaxPropertiesBytes-9) + `" }`),
	}
}

// FuzzDecode compares the two parsers: they return the same event, or both find a
// problem.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		got, gotErrs := Decode(raw)
		want, wantErrs := decode(raw)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotErrs, wantErrs) {
			t.Errorf("%q:\nread as    %+v, %v\ndecoded as %+v, %v", raw, got, gotErrs, want, wantErrs)
		}
		if !bytes.Equal(raw, before) {
			t.Errorf("%q was changed into %q", before, raw)
		}
		if len(gotErrs) == 0 && bytes.ContainsAny(got.Properties, "\n\r") {
			t.Errorf("%q has properties on several lines", raw)
		}
	})
}

// FuzzRead compares the two parsers of a body.
func FuzzRead(f *testing.F) {
	one := `{"userId":"u","eventType":"x"}`
	list := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	for _, s := range seeds() {
		f.Add([]byte(s))
		f.Add([]byte("[" + one + "," + s + "]"))
		f.Add([]byte(`{"events":[` + s + `]}`))
	}
	for _, s := range []string{
		list(MaxBatch), list(MaxBatch + 1), ` { "events" : ` + list(2) + ` } `, `{"events":[]}`, `{"events":[],"a":1}`, `{"events":` + one + `}`,
		`{"\u0065vents":` + list(1) + `}`, `[]`, `[1][2]`, one + one, list(1) + "x", "\u00a0" + one, one + "\u0085", `{"events":` + list(1) + `}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, wrong := Read(body)
		parts, splitWrong := Split(body)
		if !reflect.DeepEqual(wrong, splitWrong) {
			t.Fatalf("%q:\nread with  %v\nsplit with %v", body, wrong, splitWrong)
		}
		if len(got) != len(parts) || wrong == nil && (len(got) < 1 || len(got) > MaxBatch) {
			t.Fatalf("%q: read %d events, split into %d", body, len(got), len(parts))
		}
		for i, part := range parts {
			want, errs := decode(part)
			if !reflect.DeepEqual(got[i].Event, want) || !reflect.DeepEqual(got[i].Errors, errs) {
				t.Errorf("%q, event %d:\nread as    %+v, %v\ndecoded as %+v, %v", body, i, got[i].Event, got[i].Errors, want, errs)
			}
		}
	})
}

// FuzzEnvelope encodes each event that Decode accepts and decodes it unchanged, with
// both parsers.
func FuzzEnvelope(f *testing.F) {
	for _, s := range seeds() {
		f.Add([]byte(s), "3f0e-r\"1", 7)
	}
	f.Fuzz(func(t *testing.T, raw []byte, requestID string, index int) {
		e, errs := Decode(raw)
		if len(errs) > 0 {
			return // not an event
		}
		if err := e.Identify(received, zeros{}); err != nil {
			t.Fatal(err)
		}
		sent := Envelope{Event: e, ReceivedAt: received.Truncate(1000), RequestID: strings.ToValidUTF8(requestID, "?"), Index: index}
		line := sent.AppendJSON(nil)
		if bytes.ContainsAny(line, "\n\r") {
			t.Fatalf("envelope spans lines: %q", line)
		}
		got, err := DecodeEnvelope(line)
		if err != nil || !reflect.DeepEqual(got, sent) {
			t.Errorf("sent %+v\ngot  %+v, %v", sent, got, err)
		}
		if slow, err := decodeEnvelope(line); err != nil || !reflect.DeepEqual(slow, sent) {
			t.Errorf("sent %+v\nslow %+v, %v", sent, slow, err)
		}
	})
}

// FuzzDecodeEnvelope compares the two parsers of the stream's lines.
func FuzzDecodeEnvelope(f *testing.F) {
	good := string(Envelope{Event: Event{ID: [16]byte{1}, UserID: "u", Type: "x", Timestamp: received.Truncate(1000), Properties: []byte(`{"a":1}`)},
		ReceivedAt: received.Truncate(1000), RequestID: "r", Index: 499}.AppendJSON(nil))
	f.Add([]byte(good))
	for _, change := range [][2]string{
		{`"index":499`, `"index":0499`}, {`"index":499`, `"index":4999`}, {`"index":499`, `"index":-0`}, {`"index":499`, `"index":`}, {`"r"`, `"\n"`},
		{`"r"`, `7`}, {`123456Z","req`, `123+00:00","req`}, {`T12:00:00.123456Z","req`, `","req`}, {`2026-01-31T12:00:00.123456Z","req`, `0001-01-01T00:00:00.000000Z","req`},
		{`}`, `},"more":[]`}, {`499}`, `499} `}, {`{"event":`, `{"event": `}, {`"eventId"`, `"timestamp"`},
	} {
		f.Add([]byte(strings.Replace(good, change[0], change[1], 1)))
	}
	for _, s := range []string{"", "garbage", "[]", "{}", `{"event":{},"receivedAt":"2026-01-31T12:00:00Z"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got, gotErr := DecodeEnvelope(line)
		want, wantErr := decodeEnvelope(line)
		if (gotErr == nil) != (wantErr == nil) || !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\nread as    %+v, %v\ndecoded as %+v, %v", line, got, gotErr, want, wantErr)
		}
		if gotErr != nil {
			return
		}
		again, err := DecodeEnvelope(got.AppendJSON(nil))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%q:\nread as  %+v\nand then %+v, %v", line, got, again, err)
		}
	})
}

// zeros is a source of constant bytes instead of random ones.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

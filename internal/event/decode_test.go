package event

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

const id4, id7 = "7f6f2a41-6f70-4c3e-9a70-2f4d0d1f2a3b", "01890a5d-ac96-774b-bcce-b302099a8057"

func TestDecodeAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want Event
	}{
		"the least": {
			`{"userId":"u","eventType":"page_view"}`,
			Event{UserID: "u", Type: "page_view", Properties: []byte("{}")},
		},
		"properties.timestamp is a property": {
			`{"userId":"user123","eventType":"page_view","properties":{"page": "/dashboard",` + "\n" + ` "timestamp": "2023-12-01T10:00:00Z"}}`,
			Event{UserID: "user123", Type: "page_view", Properties: []byte(`{"page":"/dashboard","timestamp":"2023-12-01T10:00:00Z"}`)},
		},
		"times are cut to microseconds, in UTC": {
			`{"userId":"u","eventType":"a.b:C-9","timestamp":"2026-01-31T12:00:00.123456999+02:00","eventId":"` + strings.ToUpper(id4) + `"}`,
			Event{ID: uuid.MustParse(id4), UserID: "u", Type: "a.b:C-9", Timestamp: time.Date(2026, 1, 31, 10, 0, 0, 123456000, time.UTC), Properties: []byte("{}")},
		},
		"the time of a version 7 id": {
			`{"userId":"u","eventType":"x","eventId":"` + id7 + `"}`,
			Event{ID: uuid.MustParse(id7), UserID: "u", Type: "x", Timestamp: time.UnixMilli(0x01890a5dac96).UTC(), Properties: []byte("{}")},
		},
		"255 characters, more bytes": {
			`{"userId":"` + strings.Repeat("ü", 255) + `","eventType":"x"}`,
			Event{UserID: strings.Repeat("ü", 255), Type: "x", Properties: []byte("{}")},
		},
		"a written backslash before u0000": {
			`{"userId":"u","eventType":"x","properties":{"a":"\\u0000"}}`,
			Event{UserID: "u", Type: "x", Properties: []byte(`{"a":"\\u0000"}`)},
		},
		"32 deep": {
			`{"userId":"u","eventType":"x","properties":` + strings.Repeat(`{"a":`, 30) + `{}` + strings.Repeat(`}`, 30) + `}`,
			Event{UserID: "u", Type: "x", Properties: []byte(strings.Repeat(`{"a":`, 30) + `{}` + strings.Repeat(`}`, 30))},
		},
		"the largest number": {
			`{"userId":"u","eventType":"x","properties":{"a":-1.7976931348623157E+308,"b":5e-324,"c":-0e-400}}`,
			Event{UserID: "u", Type: "x", Properties: []byte(`{"a":-1.7976931348623157E+308,"b":5e-324,"c":-0e-400}`)},
		},
		"a type of words": {
			`{"userId":"u","eventType":"Order Completed"}`,
			Event{UserID: "u", Type: "Order Completed", Properties: []byte("{}")},
		},
		"a type of 100 characters, more bytes": {
			`{"userId":"u","eventType":"` + strings.Repeat("😀", 100) + `"}`,
			Event{UserID: "u", Type: strings.Repeat("😀", 100), Properties: []byte("{}")},
		},
		"a type with escapes": {
			`{"userId":"u","eventType":"Gr\u00f6\u00dfe \ud83d\ude00 \"\/\\\""}`,
			Event{UserID: "u", Type: `Größe 😀 "/\"`, Properties: []byte("{}")},
		},
		"the largest offset": {
			`{"userId":"u","eventType":"x","timestamp":"2026-01-31T23:59:00+23:59"}`,
			Event{UserID: "u", Type: "x", Timestamp: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), Properties: []byte("{}")},
		},
		"an unknown offset": {
			`{"userId":"u","eventType":"x","timestamp":"2026-01-31T12:00:00-00:00"}`,
			Event{UserID: "u", Type: "x", Timestamp: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), Properties: []byte("{}")},
		},
	} {
		got, errs := Decode([]byte(c.raw))
		if len(errs) > 0 {
			t.Errorf("%s: %v", name, errs)
			continue
		}
		if got.ID != c.want.ID || got.UserID != c.want.UserID || got.Type != c.want.Type ||
			!got.Timestamp.Equal(c.want.Timestamp) || !bytes.Equal(got.Properties, c.want.Properties) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, c.want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	member := func(name, value string) string {
		fields := map[string]string{"userId": `"u"`, "eventType": `"x"`}
		fields[name] = value
		var parts []string
		for _, k := range []string{"userId", "eventType", "properties", "timestamp", "eventId", "other"} {
			if v := fields[k]; v != "" {
				parts = append(parts, `"`+k+`":`+v)
			}
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	var keys []string
	for i := range 513 {
		keys = append(keys, `"k`+strconv.Itoa(i)+`":0`)
	}
	for name, c := range map[string]struct{ raw, field, detail string }{
		"a number":                                {`1`, "", "must be a JSON object"},
		"no userId":                               {`{"eventType":"x"}`, "userId", "is required"},
		"userId null":                             {member("userId", "null"), "userId", "must be a string, not null"},
		"userId a number":                         {member("userId", "7"), "userId", "must be a string"},
		"userId empty":                            {member("userId", `""`), "userId", "must have 1 to 255 characters"},
		"userId 300 long":                         {member("userId", `"`+strings.Repeat("a", 300)+`"`), "userId", "must have 1 to 255 characters"},
		"eventType null":                          {member("eventType", "null"), "eventType", "must be a string, not null"},
		"eventType empty":                         {member("eventType", `""`), "eventType", "must have 1 to 100 characters"},
		"eventType 101 long":                      {member("eventType", `"`+strings.Repeat("ü", 101)+`"`), "eventType", "must have 1 to 100 characters"},
		"eventType with a tab":                    {member("eventType", `"page\tview"`), "eventType", "must not hold control characters, and has U+0009"},
		"eventType with DEL":                      {member("eventType", "\"page\x7f\""), "eventType", "must not hold control characters, and has U+007F"},
		"eventType with C1":                       {member("eventType", "\"page\u0085\""), "eventType", "must not hold control characters, and has U+0085"},
		"eventType with ESC":                      {member("eventType", `"\u001b[31m"`), "eventType", "must not hold control characters, and has U+001B"},
		"eventType with NUL":                      {member("eventType", `"a\u0000"`), "eventType", `must not hold \u0000`},
		"eventType in Latin-1":                    {member("eventType", "\"Gr\xf6\xdfe\""), "eventType", "invalid UTF-8 (the byte 0xf6)"},
		"properties null":                         {member("properties", `null`), "properties", "must not be null: omit the field"},
		"timestamp null":                          {member("timestamp", `null`), "timestamp", "must not be null: omit the field"},
		"eventId null":                            {member("eventId", `null`), "eventId", "must not be null: omit the field"},
		"properties an array":                     {member("properties", `[]`), "properties", "must be an object"},
		"properties too large":                    {member("properties", `{"a":"`+strings.Repeat("b", MaxPropertiesBytes)+`"}`), "properties", "must have at most 32768 bytes"},
		"an unknown member":                       {member("other", `1`), "other", "is not a field of an event"},
		"a duplicate member":                      {`{"userId":"u","userId":"v","eventType":"x"}`, "userId", "duplicate"},
		"a duplicate property":                    {member("properties", `{"a":{"b":1,"b":2}}`), "properties.a.b", "duplicate"},
		"invalid UTF-8":                           {member("userId", "\"\xff\""), "userId", "invalid UTF-8"},
		"a lone surrogate":                        {member("properties", `{"a":"\ud800"}`), "properties.a", "surrogate"},
		"half a pair before":                      {member("properties", `{"a":["\udc00\ud800"]}`), "properties.a.0", `holds \udc00, half of a surrogate pair`},
		"half a pair in a name":                   {member("properties", `{"a":{"\ud800\u0041":1}}`), "properties.a", `holds \ud800, half of a surrogate pair`},
		"deep in userId":                          {member("userId", strings.Repeat(`[`, 40)+strings.Repeat(`]`, 40)), "userId", "must not nest deeper than 32"},
		"a long name":                             {member("properties", `{"`+strings.Repeat("é", 500)+`":1e999}`), "properties." + strings.Repeat("é", 94) + "…", "number that is too large for a double"},
		"NUL in a value":                          {member("properties", `{"a":"x\u0000"}`), "properties.a", `\u0000`},
		"NUL in a name":                           {member("properties", `{"\u0000":1}`), `properties.\u0000`, `\u0000`},
		"33 deep":                                 {member("properties", strings.Repeat(`[`, 32)+strings.Repeat(`]`, 32)), "properties", "must not nest deeper than 32"},
		"1,000 deep":                              {member("properties", strings.Repeat(`{"a":`, 1000)+`1`+strings.Repeat(`}`, 1000)), "properties", "must not nest deeper than 32"},
		"513 members":                             {member("properties", `{`+strings.Join(keys, ",")+`}`), "properties", "must not have more than 512 members"},
		"a number beyond numeric":                 {member("properties", `{"a":1e200000}`), "properties.a", "number that is too large for a double"},
		"a number too fine":                       {member("properties", `{"a":1e-20000}`), "properties.a", "number that is too close to zero for a double"},
		"a number too long":                       {member("properties", `{"a":`+strings.Repeat("9", 257)+`}`), "properties.a", "number of 257 characters"},
		"zero too fine":                           {member("properties", `{"a":0e-20000}`), "properties.a", "number with an exponent outside ±400"},
		"timestamp a number":                      {member("timestamp", `5`), "timestamp", "must be a time in RFC 3339"},
		"timestamp without zone":                  {member("timestamp", `"2026-01-31T12:00:00"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp with a comma":                  {member("timestamp", `"2026-01-31T12:00:00,5Z"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp at +24:00":                     {member("timestamp", `"2026-01-31T12:00:00+24:00"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp at -24:00":                     {member("timestamp", `"2026-01-31T12:00:00-24:00"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp at +00:60":                     {member("timestamp", `"2026-01-31T12:00:00+00:60"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp at -99:99":                     {member("timestamp", `"2026-01-31T12:00:00-99:99"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp at +23:60":                     {member("timestamp", `"2026-01-31T12:00:00+23:60"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp at +99:00":                     {member("timestamp", `"2026-01-31T12:00:00+99:00"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp in second 60":                  {member("timestamp", `"2026-01-31T23:59:60Z"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp in hour 24":                    {member("timestamp", `"2026-01-31T24:00:00Z"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp with a small t":                {member("timestamp", `"2026-01-31t12:00:00Z"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp with a small z":                {member("timestamp", `"2026-01-31T12:00:00z"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp with an offset of four digits": {member("timestamp", `"2026-01-31T12:00:00+0200"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp in minute 60":                  {member("timestamp", `"2026-01-31T12:60:00Z"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp on February 30":                {member("timestamp", `"2026-02-30T12:00:00Z"`), "timestamp", "must be a time in RFC 3339"},
		"timestamp in year 1":                     {member("timestamp", `"0001-01-01T00:00:00Z"`), "timestamp", "must lie in the years 1970 to 9999"},
		"eventId in braces":                       {member("eventId", `"{`+id4+`}"`), "eventId", "must be a UUID"},
		"eventId of zeros":                        {member("eventId", `"`+uuid.Nil.String()+`"`), "eventId", "must be a UUID"},
		"eventId 4 without time":                  {member("eventId", `"`+id4+`"`), "timestamp", "needed with eventId; a resend must carry the same time"},
		"not JSON":                                {`{"userId":`, "userId", "unexpected EOF"},
	} {
		_, errs := Decode([]byte(c.raw))
		if len(errs) != 1 || errs[0].Field != c.field || !strings.Contains(errs[0].Detail, c.detail) {
			t.Errorf("%s: got %q, want field %q, detail %q", name, errs, c.field, c.detail)
		}
	}
	if _, errs := Decode([]byte(`{"userId":1,"eventType":2,"properties":3,"timestamp":4,"eventId":5}`)); len(errs) != 5 {
		t.Errorf("got %d errors, want all five: %v", len(errs), errs)
	}
}

func TestSplit(t *testing.T) {
	one := `{"userId":"u","eventType":"x"}`
	list := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	for name, c := range map[string]struct {
		body   string
		parts  int
		detail string
	}{
		"one event":          {" " + one + "\n", 1, ""},
		"an array":           {list(3), 3, ""},
		"events":             {`{"events":` + list(2) + `}`, 2, ""},
		"500":                {list(500), 500, ""},
		"501":                {list(501), 0, "a batch holds at most 500 events"},
		"empty array":        {`[]`, 0, "the batch is empty"},
		"empty events":       {`{"events":[]}`, 0, "the batch is empty"},
		"events and more":    {`{"events":[],"a":1}`, 0, "the object has other members"},
		"a bad event inside": {`[` + one + `,{"userId":1,"userId":2}]`, 2, ""},
	} {
		parts, err := Split([]byte(c.body))
		if len(parts) != c.parts || (err == nil) != (c.detail == "") || err != nil && !strings.Contains(err.Detail, c.detail) {
			t.Errorf("%s: got %d parts, %v; want %d, %q", name, len(parts), err, c.parts, c.detail)
		}
	}
}

package ingest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/event"
)

// Messages for one event of a request.
const (
	wrongTime   = "must be a time in RFC 3339, such as 2026-01-31T12:00:00.5Z"
	wrongID     = "must be a UUID, such as 01890a5d-ac96-774b-bcce-b302099a8057"
	outside     = "must lie between 30 days before now and 24 hours after: 2026-01-01T12:00:00Z to 2026-02-01T12:00:00Z"
	notStorable = `must not hold \u0000, which PostgreSQL can't store`
	largeNumber = "is a number that is too large for a double: write one within ±1.7976931348623157e308, or send it as text"
	smallNumber = "is a number that is too close to zero for a double: write 0 or one of at least ±5e-324, or send it as text"
	isNull      = "must not be null: omit the field"
	tooDeep     = "must not nest deeper than 32, the event itself included"
	twice       = "duplicate object member name"
	unknown     = "is not a field of an event, which has eventId, userId, eventType, timestamp and properties: put it into properties"
)

// refusal is the body of an error response.
type refusal struct {
	Title  string             `json:"title"`
	Status int                `json:"status"`
	Detail string             `json:"detail"`
	Errors []event.FieldError `json:"errors"`
}

// ask sends a request that is rejected as a whole.
func ask(t *testing.T, name string, req events.APIGatewayProxyRequest) (status int, p refusal) {
	t.Helper()
	s := &stream{}
	resp, err := handler(s, metrics{}).Handle(t.Context(), req)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := json.Unmarshal([]byte(resp.Body), &p); err != nil || p.Status != resp.StatusCode || s.calls != 0 {
		t.Errorf("%s: %d calls, %.300s, %v", name, s.calls, resp.Body, err)
	}
	return resp.StatusCode, p
}

func TestBadBodies(t *testing.T) {
	const shapes = `: send an event, an array of events, or {"events": [...]}`
	batch := func(n int) string { return list(slices.Repeat([]string{one("a")}, n)...) }
	marked := request(one("a"))
	marked.IsBase64Encoded = true
	cut := zipped(t, batch(100))
	cut.Body = base64.StdEncoding.EncodeToString([]byte(cut.Body))
	half := zipped(t, batch(100))
	half.Body = half.Body[:len(half.Body)/8*4]
	for name, c := range map[string]struct {
		req    events.APIGatewayProxyRequest
		status int
		detail string
	}{
		"empty":               {request(""), 400, "the body is empty" + shapes},
		"blank":               {request(" \n"), 400, "the body is empty apart from white space" + shapes},
		"a form":              {request("userId=a&eventType=x"), 400, "the body is a form (name=value), not JSON" + shapes},
		"null":                {request("null"), 400, "the body is null" + shapes},
		"UTF-16":              {encoded("\xff\xfe{\x00}\x00"), 400, "the body is in UTF-16: convert it to UTF-8 without a byte order mark"},
		"BOM":                 {encoded("\xef\xbb\xbf" + one("a")), 400, "the body begins with a byte order mark (BOM, the bytes EF BB BF): send UTF-8 without it"},
		"cut off":             {request(`{"userId":`), 400, "the body is cut off: it ends inside an object after 10 bytes; send it as a whole"},
		"a trailing comma":    {request(list(one("a"), "")), 400, "the body is not JSON at byte 66: a trailing comma before ]: remove it"},
		"NaN":                 {request(strings.Replace(one("a"), `"/"`, "NaN", 1)), 400, "the body is not JSON at byte 59: NaN, which is not a JSON number: leave the property out, or send null"},
		"two events":          {request(one("a") + one("a")), 400, "the body has a second JSON value at byte 64: send the events as an array, [{...}, {...}]"},
		"lines of events":     {request(one("a") + "\n" + one("a")), 400, "the body has several JSON values, one per line (NDJSON): send the events as an array, [{...}, {...}]"},
		"20,000 deep":         {request(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)), 400, "the body is not JSON at byte 10000: exceeded max depth"},
		"an empty batch":      {request("[]"), 400, "the batch is empty: send 1 to 500 events"},
		"no events":           {request(`{"events":[]}`), 400, "the batch is empty: send 1 to 500 events"},
		"events and more":     {request(`{"events":[],"source":"app"}`), 400, `beside "events" the object has other members: put them into the events' properties`},
		"a batch of 501":      {request(batch(501)), 400, "a batch holds at most 500 events"},
		"10 MB":               {request(one(strings.Repeat("a", 10<<20))), 413, "the body has more than 4194304 bytes after decompression; send fewer events at a time"},
		"a byte too much":     {request(one("a") + strings.Repeat(" ", event.MaxBodyBytes+1-len(one("a")))), 413, "the body has more than 4194304 bytes after decompression; send fewer events at a time"},
		"gzip of 10 MB":       {zipped(t, one(strings.Repeat("a", 10<<20))), 413, "the body has more than 4194304 bytes after decompression; send fewer events at a time"},
		"gzip, cut off":       {half, 400, "the body is damaged gzip: it is truncated; send all of it"},
		"gzip of 2 bytes":     {encoded("\x1f\x8b"), 400, "the body starts like gzip but is not valid gzip: it is truncated; send all of it"},
		"gzip, a bit flipped": {encoded(flipped(gz(one("a")))), 400, "the body is damaged gzip: gzip: invalid checksum; compress it again"},
		"gzip and more":       {encoded(gz(one("a")) + "more"), 400, "the gzip body has trailing data: send only the compressed data"},
		"gzip and zeros":      {encoded(gz(one("a")) + "\x00\x00"), 400, "the gzip body has trailing data: send only the compressed data"},
		"gzip of gzip":        {encoded(gz(gz(one("a")))), 400, "the body is gzip inside gzip: compress it once"},
		"zlib":                {encoded("\x78\x9c\xab\xae\x05"), 400, "the body is zlib data (deflate) without Content-Encoding: deflate: set the header, or use gzip"},
		"base64 of base64":    {cut, 400, "the body is base64 and holds JSON or gzip: send what it holds"},
		"base64 that isn't":   {marked, 400, "the body is marked as base64, but is not valid base64"},
		"gzip of no JSON":     {zipped(t, "hello"), 400, `the body is not JSON, it begins with "hello"` + shapes},
		"gzip of nothing":     {zipped(t, ""), 400, "the body is empty" + shapes},
		"gzip inside a text":  {request("\x1f\ufffd\x08"), 400, "the body was gzip and was damaged by a conversion to text: send its bytes"},
	} {
		status, p := ask(t, name, c.req)
		if status != c.status || p.Detail != c.detail || len(p.Errors) > 0 {
			t.Errorf("%s: got %d %.200s %v\nwant %d %s", name, status, p.Detail, p.Errors, c.status, c.detail)
		}
	}
}

func TestBadEvents(t *testing.T) {
	with := func(properties string) string {
		return `{"userId":"u","eventType":"x","properties":` + properties + `}`
	}
	and := func(member string) string { return `{"userId":"u","eventType":"x",` + member + `}` }
	user := func(id string) string { return `{"userId":"` + id + `","eventType":"x"}` }
	kind := func(name string) string { return `{"userId":"u","eventType":"` + name + `"}` }
	const wrongUser, wrongKind = "must have 1 to 255 characters", "must have 1 to 100 characters"
	for name, c := range map[string]struct {
		body string
		want []string // field: detail
	}{
		"nothing":                   {`{}`, []string{"userId: is required", "eventType: is required"}},
		"wrong types":               {`{"userId":7,"eventType":true,"properties":[],"timestamp":5,"eventId":null}`, []string{"userId: must be a string", "eventType: must be a string", "properties: must be an object", "timestamp: " + wrongTime, "eventId: " + isNull}},
		"a misspelled field":        {and(`"userid":"u"`), []string{"userid: " + unknown}},
		"events is not a list":      {`{"events":7}`, []string{"events: " + unknown}},
		"userId empty":              {user(""), []string{"userId: " + wrongUser}},
		"userId of 300":             {user(strings.Repeat("a", 300)), []string{"userId: " + wrongUser}},
		"userId of 256 umlauts":     {user(strings.Repeat("ü", 256)), []string{"userId: " + wrongUser}},
		"userId with NUL":           {user(`a\u0000`), []string{"userId: " + notStorable}},
		"userId not UTF-8":          {user("M\xfcller"), []string{"userId: holds invalid UTF-8 (the byte 0xfc): encode the text in UTF-8, not in Latin-1 or another encoding"}},
		"userId of half a pair":     {user(`\ud83d`), []string{`userId: holds \ud83d, half of a surrogate pair, which is not a character`}},
		"eventType empty":           {kind(""), []string{"eventType: " + wrongKind}},
		"eventType of 300":          {kind(strings.Repeat("a", 300)), []string{"eventType: " + wrongKind}},
		"userId with U+FFFD":        {user("M\ufffdller"), []string{"userId: holds U+FFFD, the replacement for bytes that are not UTF-8: encode the original text in UTF-8"}},
		"eventType with U+FFFD":     {kind("Gr\ufffd\ufffde"), []string{"eventType: holds U+FFFD, the replacement for bytes that are not UTF-8: encode the original text in UTF-8"}},
		"eventType with a tab":      {kind(`page\tview`), []string{"eventType: must not hold control characters, and has U+0009"}},
		"timestamp null":            {and(`"timestamp":null`), []string{"timestamp: " + isNull}},
		"timestamp at +24:00":       {and(`"timestamp":"2026-01-31T12:00:00+24:00"`), []string{"timestamp: " + wrongTime}},
		"timestamp at +00:60":       {and(`"timestamp":"2026-01-31T12:00:00+00:60"`), []string{"timestamp: " + wrongTime}},
		"eventId of 300":            {and(`"eventId":"` + strings.Repeat("a", 300) + `"`), []string{"eventId: " + wrongID}},
		"eventId of zeros":          {and(`"eventId":"00000000-0000-0000-0000-000000000000"`), []string{"eventId: " + wrongID}},
		"eventId without timestamp": {and(`"eventId":"7f6f2a41-6f70-4c3e-9a70-2f4d0d1f2a3b"`), []string{"timestamp: needed with eventId; a resend must carry the same time"}},
		"eventId of the year 10895": {and(`"eventId":"ffffffff-ffff-7fff-bfff-ffffffffffff"`), []string{"timestamp: the time inside eventId must lie in the years 1970 to 9999"}},
		"eventId of long ago":       {and(`"eventId":"01890a5d-ac96-774b-bcce-b302099a8057"`), []string{"timestamp: " + outside}},
		"timestamp of year 1":       {and(`"timestamp":"0001-01-01T00:00:00Z"`), []string{"timestamp: must lie in the years 1970 to 9999"}},
		"timestamp of year 9999":    {and(`"timestamp":"9999-12-31T23:59:59Z"`), []string{"timestamp: " + outside}},
		"timestamp of year 10000":   {and(`"timestamp":"10000-01-01T00:00:00Z"`), []string{"timestamp: " + wrongTime}},
		"timestamp too old":         {and(`"timestamp":"2026-01-01T12:00:00.123455Z"`), []string{"timestamp: " + outside}},
		"timestamp 25 hours ahead":  {and(`"timestamp":"2026-02-01T13:00:00Z"`), []string{"timestamp: " + outside}},
		"timestamp in seconds":      {and(`"timestamp":1769860800`), []string{"timestamp: " + wrongTime}},
		"timestamp of SQL":          {and(`"timestamp":"2026-01-31 12:00:00"`), []string{"timestamp: " + wrongTime}},
		"properties null":           {with("null"), []string{"properties: " + isNull}},
		"properties of 33 KB":       {with(`{"a":"` + strings.Repeat("b", 33<<10) + `"}`), []string{"properties: must have at most 32768 bytes"}},
		"properties of 513 members": {with(`{"a":{` + members(512) + `}}`), []string{"properties: must not have more than 512 members, at all depths together"}},
		"NUL in a value":            {with(`{"a":{"b":["x","\u0000"]}}`), []string{"properties.a.b.1: " + notStorable}},
		"NUL in a name":             {with(`{"a\u0000":1}`), []string{`properties.a\u0000: ` + notStorable}},
		"half a pair":               {with(`{"a":"\udc00"}`), []string{`properties.a: holds \udc00, half of a surrogate pair, which is not a character`}},
		"a number beyond numeric":   {with(`{"a":1e131073}`), []string{"properties.a: " + largeNumber}},
		"a number too fine":         {with(`{"a":[1e-16384]}`), []string{"properties.a.0: " + smallNumber}},
		"a number beyond a double":  {with(`{"a":[{"b":1e400}]}`), []string{"properties.a.0.b: " + largeNumber}},
		"a number of 257 digits":    {with(`{"a":` + strings.Repeat("9", 257) + `}`), []string{"properties.a: is a number of 257 characters: write at most 256, or send it as text"}},
		"1,000 deep":                {with(strings.Repeat(`{"a":`, 1000) + `1` + strings.Repeat(`}`, 1000)), []string{"properties: " + tooDeep}},
		"1,000 deep in userId":      {`{"userId":` + strings.Repeat(`[`, 1000) + strings.Repeat(`]`, 1000) + `,"eventType":"x"}`, []string{"userId: " + tooDeep}},
		"a field twice":             {`{"userId":"u","userId":"u","eventType":"x"}`, []string{"userId: " + twice}},
		"a property twice":          {with(`{"a":{"b":1,"b":2}}`), []string{"properties.a.b: " + twice}},
		"twice, with an escape":     {with(`{"a":1,"\u0061":2}`), []string{"properties.a: " + twice}},
		"no object":                 {`[[]]`, []string{"must be a JSON object"}},
	} {
		status, p := ask(t, name, request(c.body))
		var got []string
		for _, e := range p.Errors {
			got = append(got, strings.TrimPrefix(e.Error(), "event 0: "))
		}
		if status != 400 || !slices.Equal(got, c.want) || p.Detail != "no event was accepted: event 0: "+c.want[0] {
			t.Errorf("%s: got %d %.200s\n%q\nwant\n%q", name, status, p.Detail, got, c.want)
		}

		// In a batch it is rejected alone, with its index.
		s := &stream{}
		resp, err := handler(s, metrics{}).Handle(t.Context(), request(list(one("a"), strings.TrimSuffix(strings.TrimPrefix(c.body, "["), "]"), one("b"))))
		if err != nil || resp.StatusCode != 207 || !strings.Contains(resp.Body, `"accepted":2,"refused":1,`) ||
			!strings.Contains(resp.Body, `{"event":1,"status":400,"errors":[{"event":1,`) || len(s.data) != 2 {
			t.Errorf("%s, in a batch: %d %.300s, %v", name, resp.StatusCode, resp.Body, err)
		}
	}
}

// encoded returns a request as API Gateway forwards it: in base64.
func encoded(body string) events.APIGatewayProxyRequest {
	return events.APIGatewayProxyRequest{Body: base64.StdEncoding.EncodeToString([]byte(body)), IsBase64Encoded: true}
}

// gz compresses a text.
func gz(text string) string {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, err := zw.Write([]byte(text))
	if err = errors.Join(err, zw.Close()); err != nil {
		return err.Error()
	}
	return b.String()
}

// flipped flips a bit of the checksum.
func flipped(gzip string) string {
	b := []byte(gzip)
	b[len(b)-6] ^= 1
	return string(b)
}

func members(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"k%d":0`, i)
	}
	return strings.Join(all, ",")
}

func TestAGzipBombCostsLittle(t *testing.T) {
	req := zipped(t, strings.Repeat(" ", 64<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	status, p := ask(t, "bomb", req)
	runtime.ReadMemStats(&after)
	if status != 413 {
		t.Errorf("got %d %s", status, p.Detail)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
		t.Errorf("it used %d bytes of memory", used)
	}
}

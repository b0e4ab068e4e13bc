package ingest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
)

// TestOddMessages sends each odd message between two good ones. It is stored or counted
// as rejected, and its neighbors are stored.
func TestOddMessages(t *testing.T) {
	good := func(id string) string { return fmt.Sprintf(track, "u", id) }
	with := func(member string) string { return strings.TrimSuffix(good("odd"), "}") + "," + member + "}" }
	at := func(value string) string {
		return strings.Replace(good("odd"), `"timestamp":"2026-01-31T11:59:59Z"`, `"timestamp":`+value, 1)
	}
	if at("null") == good("odd") {
		t.Fatal("the message has another time")
	}
	for name, c := range map[string]struct {
		message string
		stored  bool
	}{
		"33 kB":                       {with(`"properties":{"x":"` + strings.Repeat("x", 33_000) + `"}`), false},
		"a member twice":              {with(`"event":"b"`), false},
		"a property twice":            {with(`"properties":{"a":1,"a":2}`), false},
		"a number beyond float64":     {with(`"properties":{"a":1e999}`), false},
		"a long number":               {with(`"properties":{"a":123456789012345678901234567890.123}`), true},
		"NUL":                         {with(`"properties":{"a\u0000":"\u0000"}`), true},
		"half a surrogate pair":       {with(`"properties":{"a":"\ud800"}`), true},
		"half a surrogate in a name":  {strings.Replace(good("odd"), `"event":"`, `"event":"\ud800`, 1), false},
		"invalid UTF-8":               {with("\"properties\":{\"a\":\"\xe4\"}"), true},
		"no type":                     {strings.Replace(good("odd"), `"type":"track",`, "", 1), false},
		"another type":                {strings.Replace(good("odd"), `"type":"track"`, `"type":"Track"`, 1), false},
		"no user":                     {strings.Replace(good("odd"), `"userId":"u",`, "", 1), false},
		"a user that is a number":     {strings.Replace(good("odd"), `"userId":"u"`, `"userId":42`, 1), true},
		"a user that is true":         {strings.Replace(good("odd"), `"userId":"u"`, `"userId":true`, 1), false},
		"an array":                    {"[1,2]", false},
		"a text":                      {`"x"`, false},
		"null":                        {"null", false},
		"properties that are a list":  {with(`"properties":[1]`), true},
		"a context that is a text":    {with(`"context":"x"`), true},
		"40 levels":                   {with(`"properties":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)), false},
		"9,000 levels":                {with(`"properties":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000)), false},
		"11,000 levels":               {with(`"properties":` + strings.Repeat("[", 11_000) + strings.Repeat("]", 11_000)), false},
		"11,000 objects":              {with(`"properties":` + strings.Repeat(`{"a\"]":`, 11_000) + "1" + strings.Repeat("}", 11_000)), false},
		"11,000 levels alone":         {strings.Repeat("[", 11_000) + strings.Repeat("]", 11_000), false},
		"a date":                      {at(`"2026-01-31"`), true},
		"a local time":                {at(`"2026-01-31T11:00:00"`), true},
		"nanoseconds":                 {at(`"2026-01-31T11:00:00.123456789Z"`), true},
		"an offset without a colon":   {at(`"2026-01-31T11:00:00+0100"`), true},
		"Python's text of a time":     {at(`"2026-01-31 11:00:00.123456+00:00"`), true},
		"an empty time":               {at(`""`), true},
		"no time":                     {at(`null`), true},
		"a number of milliseconds":    {at(`1769857200000`), false},
		"an English time":             {at(`"Sat, 31 Jan 2026 11:00:00 GMT"`), false},
		"a day that isn't":            {at(`"2026-13-45T99:99:99Z"`), false},
		"the year 1":                  {at(`"0001-01-01T00:00:00Z"`), false},
		"a time in a thousand years":  {at(`"2999-01-01T00:00:00Z"`), false},
		"a time that is an object":    {at(`{}`), false},
		"a message id that is a list": {strings.Replace(good("odd"), `"messageId":"odd"`, `"messageId":[]`, 1), false},
	} {
		s, m := &stream{}, metrics{}
		resp, err := clientHandler(s, m, nil).Handle(t.Context(), clientRequest("batch", serverKey, `{"batch":[`+good("a")+","+c.message+","+good("b")+`]}`))
		stored := 0
		for _, records := range s.data {
			for _, data := range records {
				stored += len(event.Lines(data))
			}
		}
		want := 2
		if c.stored {
			want = 3
		}
		if err != nil || resp.StatusCode != 200 || stored != want || m[contract.MetricAccepted] != float64(want) || m[contract.MetricRefused] != float64(3-want) {
			t.Errorf("%s: %d %.200s, %d stored, want %d, %v %v", name, resp.StatusCode, resp.Body, stored, want, m, err)
		}
	}
	resp, err := clientHandler(&stream{}, metrics{}, nil).Handle(t.Context(), clientRequest("batch", serverKey, `{"batch":[`+good("a")+`],"batch":[]}`))
	if err != nil || resp.StatusCode != 400 || !strings.Contains(resp.Body, "2 members named batch") {
		t.Errorf("two lists: %+v %v", resp, err)
	}
}

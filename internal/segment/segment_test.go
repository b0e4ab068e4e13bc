package segment_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/segment"
	"github.com/streamctl/streamctl/internal/testkit/golden"
)

var at = time.Date(2026, 1, 1, 12, 0, 1, 250_000_000, time.UTC)

// zeros is a source of constant bytes instead of random ones.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func receipt(p *segment.Privacy) segment.Receipt {
	return segment.Receipt{At: at, IP: "198.51.100.77", Random: zeros{}, Privacy: p}
}

func show(m segment.Message, wrong []event.FieldError) string {
	if len(wrong) > 0 {
		return "rejected: " + wrong[0].Error()
	}
	text := string(m.Event.AppendJSON(nil))
	if m.Skew != 0 {
		text += fmt.Sprintf(" skew %s, client time %s", m.Skew, m.ClientTime.Format(time.RFC3339Nano))
	}
	if len(m.Links) > 0 {
		text += fmt.Sprintf(" links %q", m.Links)
	}
	return text
}

// TestMessages maps each message of testdata/messages.jsonl, in a batch of its own, in
// one batch with all others, and through the path of its call.
func TestMessages(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("testdata", "messages.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	var all []json.RawMessage
	var alone []string
	for _, line := range bytes.Split(bytes.TrimSpace(file), []byte("\n")) {
		var c struct {
			Name    string
			Message json.RawMessage
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		r, err := segment.Parse([]byte(`{"batch":[`+string(c.Message)+`],"writeKey":"k"}`), "")
		if err != nil || r.Messages() != 1 || r.WriteKey != "k" {
			t.Fatalf("%s: %+v, %v", c.Name, r, err)
		}
		text := show(r.Event(0, receipt(nil)))
		fmt.Fprintf(&out, "%s\n  %s\n", c.Name, text)
		all, alone = append(all, c.Message), append(alone, text)
		var typed struct{ Type string }
		if json.Unmarshal(c.Message, &typed) != nil || typed.Type == "" || typed.Type == "purchase" {
			continue
		}
		if r, err = segment.Parse(c.Message, typed.Type); err != nil {
			t.Fatal(err)
		}
		if one := show(r.Event(0, receipt(nil))); one != text {
			t.Errorf("%s: with its own path %s", c.Name, one)
		}
	}
	list, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	// json.Marshal compacts the messages, which is no difference here.
	r, err := segment.Parse([]byte(`{"batch":`+string(list)+`}`), "")
	if err != nil || r.Messages() != len(all) {
		t.Fatal(err)
	}
	for i := range all {
		if text := show(r.Event(i, receipt(nil))); text != alone[i] {
			t.Errorf("message %d in a batch: %s\nalone: %s", i, text, alone[i])
		}
	}
	golden.Equal(t, filepath.Join("testdata", "messages.golden"), []byte(out.String()))
}

func TestBatch(t *testing.T) {
	const one = `{"type":"track","event":"a","userId":"u","messageId":"m","timestamp":"2026-01-01T12:00:00Z"`
	event := func(body string) (segment.Message, string) {
		r, err := segment.Parse([]byte(body), "")
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		m, wrong := r.Event(0, receipt(nil))
		return m, show(m, wrong)
	}
	if _, text := event(` {"batch" : [ ` + one + `} , 7 ],"context":{"library":{"name":"x"},"ip":"192.0.2.1"}}` + "\n"); !strings.Contains(text, `,"context":{"library":{"name":"x"}}}`) {
		t.Error("the batch's context: ", text)
	}
	if _, text := event(`{"batch":[` + one + `,"context":{"a":1}}],"context":{"b":2}}`); !strings.Contains(text, `"context":{"a":1}}`) || strings.Contains(text, `"b"`) {
		t.Error("a context of its own: ", text)
	}
	if m, text := event(`{"batch":[` + one + `,"sentAt":"2026-01-01T12:00:01Z"}],"sentAt":"2026-01-01T11:00:00Z"}`); m.Skew < time.Hour {
		t.Error("the batch's sentAt counts: ", text)
	}
	for body, want := range map[string]string{
		"":                           "the body is empty",
		"[]":                         "is not a JSON object",
		"hello":                      "is not a JSON object",
		`{"batch":[`:                 "is cut off",
		`{"batch":{}}`:               "no list named batch",
		`{}`:                         "no list named batch",
		`{"batch":[]}{}`:             "not valid JSON",
		`{"batch":[{"type":"track"}`: "is cut off",
	} {
		if _, err := segment.Parse([]byte(body), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", body, err, want)
		}
	}
	if r, err := segment.Parse([]byte(`{"batch":[]}`), ""); err != nil || r.Messages() != 0 {
		t.Error(err)
	}
}

// TestRetriesAreDuplicates has attempts with several skews, whose identities are equal
// except beyond 15 minutes, where both have a mark.
func TestRetriesAreDuplicates(t *testing.T) {
	const format = `{"batch":[{"type":"track","event":"a","userId":"u","messageId":"m","timestamp":"2026-01-01T12:00:00Z"}],"sentAt":"%s"}`
	for skew, marked := range map[time.Duration]bool{0: false, 9 * time.Minute: false, 11 * time.Minute: true, 14 * time.Minute: true, 16 * time.Minute: true, -16 * time.Minute: true, 24 * time.Hour: true, -24 * time.Hour: true} {
		r, err := segment.Parse(fmt.Appendf(nil, format, at.Add(-skew).Format(time.RFC3339Nano)), "")
		if err != nil {
			t.Fatal(err)
		}
		m, wrong := r.Event(0, receipt(nil))
		want := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		if marked && !m.ClientTime.Equal(want) {
			t.Errorf("skew %s: client time %s", skew, m.ClientTime)
		}
		if skew.Abs() > segment.CorrectedSkew {
			want = want.Add(skew)
		}
		if len(wrong) > 0 || !m.Event.Timestamp.Equal(want) || (m.Skew != 0) != marked || marked && m.Skew != skew {
			t.Errorf("skew %s: %s", skew, show(m, wrong))
		}
	}
}

func TestPrivacy(t *testing.T) {
	const message = `{"type":"identify","userId":7,"anonymousId":"a","previousId":"b","messageId":"m","timestamp":"2026-01-01T12:00:00Z","context":{"ip":"203.0.113.77","a":[{"ip":"1"}]},"traits":{"email":"e","plan":"p","ip":"2"}}`
	const noIP = `{"type":"identify","userId":7,"anonymousId":"a","messageId":"m","timestamp":"2026-01-01T12:00:00Z","context":{}}`
	properties := func(body string, p *segment.Privacy) string {
		r, err := segment.Parse([]byte(body), "identify")
		if err != nil {
			t.Fatal(err)
		}
		m, wrong := r.Event(0, receipt(p))
		if len(wrong) > 0 {
			t.Fatal(wrong)
		}
		return m.Event.UserID + " " + string(m.Event.Properties)
	}
	same := func(body string) string { return "7 " + body }
	without := strings.Replace(message, `"ip":"203.0.113.77",`, "", 1)
	for name, c := range map[string]struct {
		body    string
		privacy *segment.Privacy
		want    string
	}{
		"by default":         {message, nil, same(without)},
		"drop":               {message, &segment.Privacy{Addresses: segment.DropAddresses}, same(without)},
		"truncate":           {message, &segment.Privacy{Addresses: segment.TruncateAddresses}, same(strings.Replace(message, "113.77", "113.0", 1))},
		"keep":               {message, &segment.Privacy{Addresses: segment.KeepAddresses}, same(message)},
		"the request's":      {noIP, &segment.Privacy{Addresses: segment.KeepAddresses}, same(strings.Replace(noIP, "{}", `{"ip":"198.51.100.77"}`, 1))},
		"the request's, /24": {noIP, &segment.Privacy{Addresses: segment.TruncateAddresses}, same(strings.Replace(noIP, "{}", `{"ip":"198.51.100.0"}`, 1))},
		"none":               {noIP, &segment.Privacy{}, same(noIP)},
		"a property":         {message, &segment.Privacy{Drop: [][]string{{"traits", "email"}}}, same(strings.Replace(without, `"email":"e",`, "", 1))},
		"all of them":        {message, &segment.Privacy{Drop: [][]string{{"traits"}, {"context"}}}, same(`{"type":"identify","userId":7,"anonymousId":"a","previousId":"b","messageId":"m","timestamp":"2026-01-01T12:00:00Z"}`)},
		"a text isn't an IP": {strings.Replace(message, "203.0.113.77", "home", 1), &segment.Privacy{Addresses: segment.TruncateAddresses}, same(strings.Replace(message, "203.0.113.77", "", 1))},
		"IPv6":               {strings.Replace(message, "203.0.113.77", "2001:db8:1:2::3", 1), &segment.Privacy{Addresses: segment.TruncateAddresses}, same(strings.Replace(message, "203.0.113.77", "2001:db8:1::", 1))},
	} {
		if got := properties(c.body, c.privacy); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// TestHashedIds replaces every id at the top of a message, in links too, and nothing else.
func TestHashedIds(t *testing.T) {
	p := &segment.Privacy{UserID: func(id string) string { return "h" + strings.ToUpper(id) }}
	for body, want := range map[string]string{
		`{"type":"identify","userId":"ann","anonymousId":"a","traits":{"userId":"ann"}}`: `hANN ["anon:hA"] {"type":"identify","userId":"hANN","anonymousId":"hA","traits":{"userId":"ann"}}`,
		`{"type":"identify","userId":7,"anonymousId":8}`:                                 `h7 ["anon:h8"] {"type":"identify","userId":"h7","anonymousId":"h8"}`,
		`{"type":"alias","userId":"ann","previousId":"b"}`:                               `hANN ["anon:hB"] {"type":"alias","userId":"hANN","previousId":"hB"}`,
		`{"type":"identify","userId":null,"anonymousId":"a"}`:                            `anon:hA [] {"type":"identify","userId":null,"anonymousId":"hA"}`,
		`{"type":"identify","userId":"","anonymousId":"a"}`:                              `anon:hA [] {"type":"identify","userId":"","anonymousId":"hA"}`,
		`{"type":"identify","userId":"ann","anonymousId":{"id":"a"},"previousId":["b"]}`: `hANN [] {"type":"identify","userId":"hANN"}`,
		`{"type":"identify","userId":"guest","anonymousId":"a"}`:                         `hGUEST [] {"type":"identify","userId":"hGUEST","anonymousId":"hA"}`,
		`{"type":"identify","user\u0049d":"ann"}`:                                        `hANN [] {"type":"identify","userId":"hANN"}`,
		`{"type":"identify","userId":"M\ufffdller"}`:                                     "rejected: " + "userId",
	} {
		r, err := segment.Parse([]byte(body), "identify")
		if strings.Contains(body, "alias") {
			r, err = segment.Parse([]byte(body), "alias")
		}
		if err != nil {
			t.Fatal(err)
		}
		m, wrong := r.Event(0, receipt(p))
		got := fmt.Sprintf("%s %q %s", m.Event.UserID, m.Links, m.Event.Properties)
		if len(wrong) > 0 {
			got = "rejected: " + wrong[0].Field
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", body, got, want)
		}
	}
}

func TestCall(t *testing.T) {
	for part, want := range map[string]string{"batch": "", "b": "", "t": "track", "p": "page", "s": "screen", "i": "identify", "g": "group", "a": "alias", "track": "track", "alias": "alias"} {
		if got, ok := segment.Call(part); !ok || got != want {
			t.Errorf("%s: %q, %t", part, got, ok)
		}
	}
	for _, part := range []string{"", "m", "import", "purchase"} {
		if _, ok := segment.Call(part); ok {
			t.Errorf("%s is a call", part)
		}
	}
}

// FuzzParse maps arbitrary bodies: each event can be encoded and decoded unchanged, and
// the write key is never in it.
func FuzzParse(f *testing.F) {
	file, err := os.ReadFile(filepath.Join("testdata", "messages.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range bytes.Split(bytes.TrimSpace(file), []byte("\n")) {
		var c struct{ Message json.RawMessage }
		if err := json.Unmarshal(line, &c); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(`{"batch":[`+string(c.Message)+`],"context":{"ip":"1.2.3.4"}}`), "", true)
		f.Add([]byte(c.Message), "track", false)
	}
	f.Fuzz(func(t *testing.T, body []byte, call string, private bool) {
		before := bytes.Clone(body)
		r, err := segment.Parse(body, call)
		if err != nil {
			return
		}
		var p *segment.Privacy
		if private {
			p = &segment.Privacy{Addresses: segment.TruncateAddresses, Drop: [][]string{{"traits"}}}
		}
		for i := range r.Messages() {
			m, wrong := r.Event(i, receipt(p))
			if len(wrong) > 0 {
				continue
			}
			again, wrong := event.Decode(m.Event.AppendJSON(nil))
			if len(wrong) > 0 || again.ID != m.Event.ID || !bytes.Equal(again.Properties, m.Event.Properties) {
				t.Errorf("%q: %+v became %+v, %v", body, m, again, wrong)
			}
			var top map[string]json.RawMessage
			if err := json.Unmarshal(m.Event.Properties, &top); err != nil || top["writeKey"] != nil {
				t.Errorf("%q: %s %v", body, m.Event.Properties, err)
			}
		}
		if !bytes.Equal(body, before) {
			t.Errorf("%q was changed", before)
		}
	})
}

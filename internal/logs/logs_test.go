package logs_test

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/streamctl/streamctl/internal/logs"
)

func TestParse(t *testing.T) {
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	const id = "8f5cbb0e-0a4e-4b6c-9a57-1f2b3c4d5e6f"
	for name, c := range map[string]struct {
		raw  string
		want logs.Line
	}{
		"slog": {
			`{"time":"2026-05-01T11:59:59.5Z","level":"WARN","msg":"slow","stack":"s","n":3,"requestId":"` + id + `","err":"a b"}` + "\n",
			logs.Line{Time: at.Add(-time.Second / 2), Level: "WARN", Function: "ingest", Request: id, Message: "slow", Fields: []logs.Field{{"stack", json.RawMessage(`"s"`)}, {"n", json.RawMessage(`3`)}, {"err", json.RawMessage(`"a b"`)}}},
		},
		"another function": {
			`{"level":"INFO","msg":"m","function":"query"}`,
			logs.Line{Time: at, Level: "INFO", Function: "ingest", Message: "m", Fields: []logs.Field{{"function", json.RawMessage(`"query"`)}}},
		},
		"wrong types": {
			`{"time":5,"level":true,"msg":"m","requestId":{}}`,
			logs.Line{Time: at, Function: "ingest", Message: "m", Fields: []logs.Field{{"time", json.RawMessage(`5`)}, {"level", json.RawMessage(`true`)}, {"requestId", json.RawMessage(`{}`)}}},
		},
		"metrics":        {`{"_aws":{"Timestamp":1},"EventsAccepted":2}`, logs.Line{Time: at, Function: "ingest", Message: `{"_aws":{"Timestamp":1},"EventsAccepted":2}`, Service: true}},
		"platform line":  {`{"time":"2026-05-01T12:00:00Z","type":"platform.start"}`, logs.Line{Time: at, Function: "ingest", Message: `{"time":"2026-05-01T12:00:00Z","type":"platform.start"}`, Service: true}},
		"start":          {"START RequestId: " + id + " Version: $LATEST\n", logs.Line{Time: at, Function: "ingest", Request: id, Message: "START RequestId: " + id + " Version: $LATEST", Service: true}},
		"report":         {"REPORT RequestId: " + id + "\tDuration: 1 ms", logs.Line{Time: at, Function: "ingest", Request: id, Message: "REPORT RequestId: " + id + "\tDuration: 1 ms", Service: true}},
		"init":           {"INIT_START Runtime Version: x", logs.Line{Time: at, Function: "ingest", Message: "INIT_START Runtime Version: x", Service: true}},
		"timeout":        {"2026-05-01T12:00:00.000Z " + id + " Task timed out after 15.00 seconds", logs.Line{Time: at, Level: "ERROR", Function: "ingest", Request: id, Message: "2026-05-01T12:00:00.000Z " + id + " Task timed out after 15.00 seconds"}},
		"a panic":        {"panic: STARTLE", logs.Line{Time: at, Function: "ingest", Message: "panic: STARTLE"}},
		"no message":     {`{"a":1}`, logs.Line{Time: at, Function: "ingest", Message: `{"a":1}`}},
		"cut off":        {`{"msg":"a"`, logs.Line{Time: at, Function: "ingest", Message: `{"msg":"a"`}},
		"two objects":    {`{"msg":"a"}{"msg":"b"}`, logs.Line{Time: at, Function: "ingest", Message: `{"msg":"a"}{"msg":"b"}`}},
		"empty":          {"", logs.Line{Time: at, Function: "ingest"}},
		"not an object":  {"[1]", logs.Line{Time: at, Function: "ingest", Message: "[1]"}},
		"wrong in value": {`{"msg":"a","b":tru}`, logs.Line{Time: at, Function: "ingest", Message: `{"msg":"a","b":tru}`}},
	} {
		got := logs.Parse(c.raw, "ingest", at)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for raw, want := range map[string]string{
		`{"level":"INFO","msg":"m","function":"query"}`:   "query",
		`{"level":"INFO","msg":"m","mapping":"archiver"}`: "archiver",
	} {
		if l := logs.Parse(raw, "", at); l.Function != want || len(l.Fields) > 0 {
			t.Errorf("%s: %+v", raw, l)
		}
	}
}

func TestLevels(t *testing.T) {
	for level, shown := range map[string]bool{"DEBUG": false, "INFO": false, "WARN": true, "ERROR": true, "": true, "ERROR+2": true, "odd": true} {
		if (logs.Line{Level: level}).AtLeast(slog.LevelWarn) != shown {
			t.Errorf("%q at warn: want %v", level, shown)
		}
	}
	for name, want := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := logs.ParseLevel(name); err != nil || got != want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "INFO", "warn+1", "fatal"} {
		if _, err := logs.ParseLevel(name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestText(t *testing.T) {
	for value, want := range map[string]string{`"a"`: "a", `"a b"`: `"a b"`, `""`: `""`, `"k=v"`: `"k=v"`, `{ "a": 1 }`: `{"a":1}`, `12`: "12", `"l\nm"`: `"l\nm"`} {
		if got := (logs.Field{Value: json.RawMessage(value)}).Text(); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
	line, err := json.Marshal(logs.Parse(`{"time":"2026-05-01T12:00:00Z","level":"INFO","msg":"<m>","z":1,"a":{"b":[]}}`, "query", time.Time{}))
	if want := `{"time":"2026-05-01T12:00:00Z","level":"INFO","function":"query","message":"\u003cm\u003e","fields":{"z":1,"a":{"b":[]}}}`; err != nil || string(line) != want {
		t.Errorf("%s, %v", line, err)
	}
}

// FuzzParse: every text is a line that can be written as JSON.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{`{"time":"2026-05-01T12:00:00Z","level":"INFO","msg":"m","a":[1,{"b":null}]}`, "START RequestId: x", "\x00\xff{", `{"msg":"a","msg":"b"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		l := logs.Parse(raw, "ingest", time.Unix(0, 0))
		for _, field := range l.Fields {
			_ = field.Text()
		}
		text, err := json.Marshal(l)
		if y := l.Time.Year(); err != nil && y >= 0 && y < 10000 || err == nil && !json.Valid(text) {
			t.Errorf("%q: %s, %v", raw, text, err)
		}
	})
}

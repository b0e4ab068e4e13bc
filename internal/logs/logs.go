// Package logs reads the lines that the functions log. A line of a function is a JSON
// object of slog; Lambda's own lines and metrics are in the same log.
package logs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/pattern"
)

// Line is a line of a function's log.
type Line struct {
	Time time.Time
	// Level is DEBUG, INFO, WARN or ERROR; empty for text that is not slog's, such as the
	// trace of a panic.
	Level string
	// Function is a name of contract.Functions, or empty for a part of `streamctl local`
	// that is not a function.
	Function string
	// Request is the id of the invocation; empty outside of one.
	Request string
	Message string
	// Fields are the other members of the object, in its order.
	Fields []Field
	// Service reports whether Lambda wrote the line, or the line is a metric.
	Service bool
}

// Field is a member of a logged object. Value is JSON.
type Field struct {
	Name  string
	Value json.RawMessage
}

// Members of a logged object that are not in Fields.
const (
	requestKey  = "requestId" // the id of the invocation
	functionKey = "function"
	mappingKey  = "mapping" // the function that a mapping of `streamctl local` invokes
)

var (
	// ownLine is a line of Lambda about an invocation or an environment.
	ownLine = pattern.New(`^(START|END|REPORT|INIT_START|INIT_REPORT|RESTORE_START|RESTORE_REPORT|EXTENSION|XRAY) `)
	// requestOf finds the id in Lambda's own lines.
	requestOf = pattern.New(`\bRequestId: ([0-9a-f-]{36})\b`)
	// endedLine is Lambda's line about an invocation that it ended.
	endedLine = pattern.New(`^\S+ ([0-9a-f-]{36}) (Task timed out after |Process exited|Error: )`)
)

// Parse reads a line of a function's log. at is the time at which it was stored, for lines
// without a time of their own. Every text is a line.
func Parse(raw, function string, at time.Time) Line {
	raw = strings.TrimRight(raw, "\r\n")
	l := Line{Time: at, Function: function, Message: raw}
	if object, ok := members(raw); ok {
		l.object(object)
		return l
	}
	if found := requestOf.FindStringSubmatch(raw); found != nil {
		l.Request = found[1]
	}
	l.Service = ownLine.MatchString(raw)
	if found := endedLine.FindStringSubmatch(raw); found != nil {
		l.Request, l.Level = found[1], slog.LevelError.String()
	}
	return l
}

// object reads slog's object. Another object stays the message.
func (l *Line) object(all []Field) {
	var fields []Field
	message := ""
	for _, f := range all {
		var text string
		isText := json.Unmarshal(f.Value, &text) == nil && len(f.Value) > 0 && f.Value[0] == '"'
		switch {
		case f.Name == "_aws", f.Name == "type" && strings.HasPrefix(text, "platform."):
			l.Service = true
			return
		case f.Name == slog.TimeKey && isText:
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
				l.Time = at
			}
		case f.Name == slog.LevelKey && isText:
			l.Level = strings.ToUpper(text)
		case f.Name == slog.MessageKey && isText:
			message = text
		case f.Name == requestKey && isText:
			l.Request = text
		case (f.Name == functionKey || f.Name == mappingKey) && isText && (l.Function == "" || l.Function == text):
			l.Function = text
		default:
			fields = append(fields, f)
		}
	}
	if message != "" {
		l.Message, l.Fields = message, fields
	}
}

// members decodes an object with its order.
func members(raw string) ([]Field, bool) {
	d := json.NewDecoder(strings.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	var out []Field
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, false
		}
		out = append(out, Field{fmt.Sprint(name), value})
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	_, err := d.Token()
	return out, err == io.EOF
}

// ParseLevel returns the level of a name: debug, info, warn or error.
func ParseLevel(name string) (slog.Level, error) {
	var level slog.Level
	switch name {
	case "debug", "info", "warn", "error":
		return level, level.UnmarshalText([]byte(name))
	}
	return level, fmt.Errorf("%q: want debug, info, warn or error", name)
}

// AtLeast reports whether a line has a level or a higher one. A line without a known level
// counts as an error, because only failures write one.
func (l Line) AtLeast(level slog.Level) bool {
	var own slog.Level
	return own.UnmarshalText([]byte(l.Level)) != nil || own >= level
}

// Text returns a field's value for people: texts without quotes if they are unambiguous.
func (f Field) Text() string {
	var text string
	if json.Unmarshal(f.Value, &text) != nil {
		var compact bytes.Buffer
		if json.Compact(&compact, f.Value) != nil {
			return string(f.Value)
		}
		return compact.String()
	}
	if text == "" || strings.ContainsAny(text, " \t\n\"=") {
		return strconv.Quote(text)
	}
	return text
}

// MarshalJSON writes the line as an object; fields have their order.
func (l Line) MarshalJSON() ([]byte, error) {
	head, err := json.Marshal(struct {
		Time     string `json:"time"`
		Level    string `json:"level,omitempty"`
		Function string `json:"function,omitempty"`
		Request  string `json:"requestId,omitempty"`
		Message  string `json:"message"`
	}{l.Time.UTC().Format(time.RFC3339Nano), l.Level, l.Function, l.Request, l.Message})
	if err != nil || len(l.Fields) == 0 {
		return head, err
	}
	out := append(bytes.TrimSuffix(head, []byte("}")), `,"fields":{`...)
	for i, f := range l.Fields {
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), f.Value...)
	}
	return append(out, "}}"...), nil
}

// Package metric defines declared metrics: which events they count, which field they
// aggregate, and which fields group the values.
package metric

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/pattern"
)

// Limits of declarations.
const (
	// MaxDefinitions is the largest number of metrics of a platform.
	MaxDefinitions = 20
	// MaxBytes is the largest size of all definitions as JSON: they are a part of a
	// function's environment, which Lambda limits to 4 KB.
	MaxBytes = 3000
	// MaxBy is the largest number of fields in By.
	MaxBy = 2
)

// Definition declares a metric. It counts events; with Sum, Min or Max, it counts
// events whose field is a number.
type Definition struct {
	// Name identifies the metric in queries: a small letter, then small letters, digits
	// and underscores, at most 40 characters.
	Name string `yaml:"Name" json:"name"`
	// EventType selects events; empty selects all.
	EventType string `yaml:"EventType" json:"eventType,omitempty"`
	// Sum, Min and Max are the path of a field of properties, the same path if more
	// than one is given: properties.amount. A name with dots or spaces is in double
	// quotes: properties."order.total".
	Sum string `yaml:"Sum" json:"sum,omitempty"`
	Min string `yaml:"Min" json:"min,omitempty"`
	Max string `yaml:"Max" json:"max,omitempty"`
	// By has up to two fields that group the values: eventType, or fields of properties
	// that are text, numbers or booleans.
	By []string `yaml:"By" json:"by,omitempty"`
}

// Reserved are the names of built-in metrics and answers.
var Reserved = []string{"events", "summary", "users", "funnel", "retention", "sessions", "breakdown", "paths", "live", "alerts"}

// NamePattern matches the names of metrics; Reserved are not available.
const NamePattern = `^[a-z][a-z0-9_]{0,39}$`

var name = pattern.New(NamePattern)

// CheckName checks a metric's name.
func CheckName(n string) error {
	if err := CheckForm(n); err != nil {
		return err
	}
	if slices.Contains(Reserved, n) {
		return errors.New("is a built-in metric or question; choose another name")
	}
	return nil
}

// CheckForm checks the form of a name of a metric or an alert.
func CheckForm(n string) error {
	if !name.MatchString(n) {
		return errors.New("want a small letter, then small letters, digits and underscores, at most 40 characters")
	}
	return nil
}

// Problem is a problem with a field of a definition.
type Problem struct{ Field, What string }

// Check returns all problems of a definition.
func (d Definition) Check() []Problem {
	var problems []Problem
	add := func(field, format string, args ...any) {
		problems = append(problems, Problem{field, fmt.Sprintf(format, args...)})
	}
	if err := CheckName(d.Name); err != nil {
		add("Name", "%q: %v", d.Name, err)
	}
	if d.EventType != "" {
		if err := event.CheckType(d.EventType); err != nil {
			add("EventType", "%q: %v", d.EventType, err)
		}
	}
	field := ""
	for _, v := range []struct{ name, path string }{{"Sum", d.Sum}, {"Min", d.Min}, {"Max", d.Max}} {
		if v.path == "" {
			continue
		}
		_, err := Names(v.path)
		switch {
		case err != nil:
			add(v.name, "%q: %v", v.path, err)
		case field != "" && field != Canonical(v.path):
			add(v.name, "%q: Sum, Min and Max of one metric are of one field, %s; declare another metric", v.path, field)
		default:
			field = Canonical(v.path)
		}
	}
	if len(d.By) > MaxBy {
		add("By", "%d fields: want at most %d", len(d.By), MaxBy)
	}
	for i, by := range d.By {
		_, err := Names(by)
		switch {
		case by != "eventType" && !strings.HasPrefix(by, "properties"):
			add("By", "%q: want eventType or a field such as properties.country", by)
		case by != "eventType" && err != nil:
			add("By", "%q: %v", by, err)
		case slices.Contains(canonicals(d.By[:i]), Canonical(by)):
			add("By", "%q: given twice", by)
		}
	}
	return problems
}

// Field is the path of the aggregated field; empty for a metric that only counts.
func (d Definition) Field() string {
	for _, path := range []string{d.Sum, d.Min, d.Max} {
		if path != "" {
			return path
		}
	}
	return ""
}

// Key is the name of the metric's series: its name and a short hash of everything that
// decides what it counts. A changed definition is another series.
func (d Definition) Key() string {
	text, err := json.Marshal([]any{d.EventType, Canonical(d.Field()), canonicals(d.By)})
	if err != nil {
		return d.Name // encoding strings can't fail
	}
	sum := sha256.Sum256(text)
	return d.Name + "." + hex.EncodeToString(sum[:4])
}

// SkippedKey is the series of events that a metric skipped because their field was
// missing or not a number.
func SkippedKey(key string) string { return key + ".skipped" }

// Encode returns definitions as JSON, the same bytes for equal definitions.
func Encode(definitions []Definition) (string, error) {
	if len(definitions) == 0 {
		return "", nil
	}
	text, err := json.Marshal(definitions)
	if err != nil {
		return "", fmt.Errorf("encode metrics: %w", err)
	}
	return string(text), nil
}

// Decode decodes the result of Encode.
func Decode(text string) ([]Definition, error) {
	if text == "" {
		return nil, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	var definitions []Definition
	if err := decoder.Decode(&definitions); err != nil {
		return nil, fmt.Errorf("decode metrics: %w", err)
	}
	return definitions, nil
}

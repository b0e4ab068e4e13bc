// Package metric is what a team declares to be counted, beside events by type:
// which events, which of their fields, told apart by which others.
package metric

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/event"
)

// Limits of what may be declared.
const (
	// MaxDefinitions is the most metrics of a platform.
	MaxDefinitions = 20
	// MaxBytes is the most that all definitions may take as JSON: they travel
	// in a function's environment, of which Lambda takes 4 KB.
	MaxBytes = 3000
	// MaxBy is the most fields that tell a metric's values apart.
	MaxBy = 2
)

// Definition declares a metric. It counts events; with a field to add up, or to
// take the smallest or largest of, it counts those whose field is a number.
type Definition struct {
	// Name is how the metric is asked for: a small letter, then small letters,
	// digits and underscores, at most 40 characters.
	Name string `yaml:"Name" json:"name"`
	// EventType chooses events; empty means all.
	EventType string `yaml:"EventType" json:"eventType,omitempty"`
	// Sum, Min and Max name a field of properties, the same one where more
	// than one is given: properties.amount. A name with dots or spaces is in
	// double quotes: properties."order.total".
	Sum string `yaml:"Sum" json:"sum,omitempty"`
	Min string `yaml:"Min" json:"min,omitempty"`
	Max string `yaml:"Max" json:"max,omitempty"`
	// By names up to two fields that tell values apart: eventType, or one of
	// properties that is text, a number or a truth value.
	By []string `yaml:"By" json:"by,omitempty"`
}

// Reserved are the names that the platform's own metrics and answers have.
var Reserved = []string{"events", "summary", "users"}

var (
	name = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`)
)

// CheckName checks a metric's name.
func CheckName(n string) error {
	switch {
	case !name.MatchString(n):
		return errors.New("want a small letter, then small letters, digits and underscores, at most 40 characters")
	case slices.Contains(Reserved, n):
		return errors.New("is the platform's own; want another")
	}
	return nil
}

// Problem is something wrong with a field of a definition.
type Problem struct{ Field, What string }

// Check gives everything that is wrong with a definition.
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
		_, err := names(v.path)
		switch {
		case err != nil:
			add(v.name, "%q: %v", v.path, err)
		case field != "" && field != canonical(v.path):
			add(v.name, "%q: Sum, Min and Max of one metric are of one field, %s; declare another metric", v.path, field)
		default:
			field = canonical(v.path)
		}
	}
	if len(d.By) > MaxBy {
		add("By", "%d fields: want at most %d", len(d.By), MaxBy)
	}
	for i, by := range d.By {
		_, err := names(by)
		switch {
		case by != "eventType" && !strings.HasPrefix(by, "properties"):
			add("By", "%q: want eventType or a field such as properties.country", by)
		case by != "eventType" && err != nil:
			add("By", "%q: %v", by, err)
		case slices.Contains(canonicals(d.By[:i]), canonical(by)):
			add("By", "%q: given twice", by)
		}
	}
	return problems
}

// Field is the field whose values are added up; empty for a metric that only
// counts.
func (d Definition) Field() string {
	for _, path := range []string{d.Sum, d.Min, d.Max} {
		if path != "" {
			return path
		}
	}
	return ""
}

// Key is the name of the metric's series: its name and a short hash of all that
// decides what is counted. A changed definition is another series.
func (d Definition) Key() string {
	text, err := json.Marshal([]any{d.EventType, canonical(d.Field()), canonicals(d.By)})
	if err != nil {
		return d.Name // strings alone can't fail
	}
	sum := sha256.Sum256(text)
	return d.Name + "." + hex.EncodeToString(sum[:4])
}

// SkippedKey is the series of the events that a metric passed over, because
// their field was missing or no number.
func SkippedKey(key string) string { return key + ".skipped" }

// Encode writes definitions as JSON, the same for the same.
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

// Decode reads what Encode wrote.
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

// Package metric defines the metrics that a team declares in addition to events
// by type: which events to count, which field to aggregate, and which fields
// are dimensions.
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

// Limits of declared metrics.
const (
	// MaxDefinitions is the maximum number of declared metrics.
	MaxDefinitions = 20
	// MaxBytes is the maximum size of all definitions as JSON: they are part of
	// a function's environment, which Lambda limits to 4 KB.
	MaxBytes = 3000
	// MaxBy is the maximum number of dimension fields of a metric.
	MaxBy = 2
)

// Definition declares a metric. Without a field it counts events; with Sum, Min
// or Max it counts the events in which that field is a number.
type Definition struct {
	// Name is the metric's name in queries: a small letter, then small letters,
	// digits and underscores, at most 40 characters.
	Name string `yaml:"Name" json:"name"`
	// EventType selects events of one type; empty means all.
	EventType string `yaml:"EventType" json:"eventType,omitempty"`
	// Sum, Min and Max are the path of a field of properties, such as
	// properties.amount; if several are given, they must be the same. A name
	// with dots or spaces is quoted: properties."order.total".
	Sum string `yaml:"Sum" json:"sum,omitempty"`
	Min string `yaml:"Min" json:"min,omitempty"`
	Max string `yaml:"Max" json:"max,omitempty"`
	// By lists up to two dimension fields: eventType, or a field of properties
	// that is a string, number or boolean.
	By []string `yaml:"By" json:"by,omitempty"`
}

// Reserved lists the names of the built-in metrics and responses.
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
		return errors.New("is a built-in name; choose another")
	}
	return nil
}

// Problem is an invalid field of a definition.
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
		_, err := names(v.path)
		switch {
		case err != nil:
			add(v.name, "%q: %v", v.path, err)
		case field != "" && field != canonical(v.path):
			add(v.name, "%q: Sum, Min and Max of one metric must use the same field, here %s; declare another metric", v.path, field)
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

// Field returns the field that is aggregated; empty for a metric that only
// counts.
func (d Definition) Field() string {
	for _, path := range []string{d.Sum, d.Min, d.Max} {
		if path != "" {
			return path
		}
	}
	return ""
}

// Key returns the key of the metric's series: its name and a short hash of
// everything that determines what is counted. A changed definition is a new
// series.
func (d Definition) Key() string {
	text, err := json.Marshal([]any{d.EventType, canonical(d.Field()), canonicals(d.By)})
	if err != nil {
		return d.Name // strings always marshal
	}
	sum := sha256.Sum256(text)
	return d.Name + "." + hex.EncodeToString(sum[:4])
}

// SkippedKey returns the series of the events that a metric skipped because
// their field was missing or not a number.
func SkippedKey(key string) string { return key + ".skipped" }

// Encode encodes definitions as JSON. Equal definitions give equal text.
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

// Decode decodes the text written by Encode.
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

package audit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// at follows keys into maps; nil if a key is missing.
func at(value any, keys ...string) any {
	for _, key := range keys {
		m, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = m[key]
	}
	return value
}

// list returns a single value or a list as a list; nil gives an empty list.
func list(value any) []any {
	switch value := value.(type) {
	case nil:
		return nil
	case []any:
		return value
	default:
		return []any{value}
	}
}

// texts is list for strings.
func texts(value any) []string {
	var out []string
	for _, item := range list(value) {
		out = append(out, text(item))
	}
	return out
}

// text returns a scalar as text, and anything else as JSON.
func text(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case map[string]any, []any:
		out, err := json.Marshal(value)
		if err != nil {
			return fmt.Sprint(value)
		}
		return string(out)
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	default:
		return fmt.Sprint(value)
	}
}

// number returns a number or a text's number; 0 if there isn't one.
func number(value any) float64 {
	n, err := strconv.ParseFloat(text(value), 64)
	if err != nil {
		return 0
	}
	return n
}

// yes reports whether a value is true or "true".
func yes(value any) bool { return text(value) == "true" }

// visit calls f for every map entry inside a value, in order; path is the list
// of keys above it.
func visit(value any, path []string, f func(path []string, key string, value any)) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			f(path, key, value[key])
			visit(value[key], append(slices.Clone(path), key), f)
		}
	case []any:
		for _, item := range value {
			visit(item, path, f)
		}
	}
}

// match implements IAM's wildcards: a star matches any text, including slashes,
// a question mark one character.
func match(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	if pattern[0] == '*' {
		for i := range len(s) + 1 {
			if match(pattern[1:], s[i:]) {
				return true
			}
		}
		return false
	}
	return s != "" && (pattern[0] == '?' || pattern[0] == s[0]) && match(pattern[1:], s[1:])
}

// sample returns a string that a pattern matches.
func sample(pattern string) string { return strings.NewReplacer("*", "x", "?", "x").Replace(pattern) }

// between returns the text between two marks.
func between(s, before, after string) (string, bool) {
	_, rest, ok := strings.Cut(s, before)
	if !ok {
		return "", false
	}
	inside, _, ok := strings.Cut(rest, after)
	return inside, ok
}

package ui

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Difference is a value that differs between two documents.
type Difference struct {
	// Path is the value's place, such as Resources.Stream.Properties.ShardCount.
	Path string `json:"path"`
	// Before and After are the values as text; null means no value.
	Before *string `json:"before"`
	After  *string `json:"after"`
}

// String returns the difference as one line.
func (d Difference) String() string {
	value := func(v *string) string {
		if v == nil {
			return "(none)"
		}
		return Line(*v)
	}
	return Line(d.Path) + ": " + value(d.Before) + " → " + value(d.After)
}

// Lines returns the difference as lines of at most width columns; 0 does not limit
// them. If one line is too short for both values, each gets its own line.
func (d Difference) Lines(width int) []string {
	line := d.String()
	if width <= 0 || Width(line) <= width {
		return []string{line}
	}
	lines := []string{Fit(Line(d.Path)+":", width)}
	before, after := d.sides(width - len("  - "))
	for _, side := range []struct {
		mark  string
		value *string
	}{{"  - ", before}, {"  + ", after}} {
		if side.value != nil {
			lines = append(lines, Fit(side.mark+*side.value, width))
		}
	}
	return lines
}

// shownBefore is how many characters of a long value are shown before the first one
// that differs.
const shownBefore = 12

// sides returns the values as text. If either is wider than room columns, both begin
// shortly before the place where they differ.
func (d Difference) sides(room int) (before, after *string) {
	if d.Before != nil {
		before = new(string)
		*before = Line(*d.Before)
	}
	if d.After != nil {
		after = new(string)
		*after = Line(*d.After)
	}
	if before == nil || after == nil || room <= 0 || Width(*before) <= room && Width(*after) <= room {
		return before, after
	}
	old, next := []rune(*before), []rune(*after)
	same := 0
	for same < min(len(old), len(next)) && old[same] == next[same] {
		same++
	}
	if start := same - shownBefore; start > 0 {
		*before, *after = "…"+string(old[start:]), "…"+string(next[start:])
	}
	return before, after
}

// DiffLines lists differences in the form of a patch, at most width columns wide;
// 0 does not limit them.
func DiffLines(differences []Difference, width int) (lines []string) {
	for _, d := range differences {
		path := Line(d.Path) + ": "
		before, after := d.sides(width - Width("-"+path))
		for _, side := range []struct {
			mark  string
			value *string
		}{{"-", before}, {"+", after}} {
			switch {
			case side.value == nil:
			case width > 0 && Width(path) > width/2 && Width(side.mark+path+*side.value) > width:
				lines = append(lines, Fit(side.mark+path, width), Fit("    "+*side.value, width))
			default:
				lines = append(lines, Fit(side.mark+path+*side.value, width))
			}
		}
	}
	return lines
}

// Fit shortens a line to a number of columns; 0 does not shorten it.
func Fit(line string, width int) string {
	if width <= 0 || Width(line) <= width {
		return line
	}
	cut := 0
	for i, r := range line {
		if cut += Width(string(r)); cut > width-1 {
			return line[:i] + "…"
		}
	}
	return line
}

// DiffYAML compares two documents in YAML or JSON. An empty document has no values.
func DiffYAML(before, after []byte) ([]Difference, error) {
	var old, next any
	if err := decodeYAML(before, &old); err != nil {
		return nil, err
	}
	if err := decodeYAML(after, &next); err != nil {
		return nil, err
	}
	switch {
	case old == nil:
		old = empty(next)
	case next == nil:
		next = empty(old)
	}
	return diffTrees("", old, next), nil
}

// decodeYAML reads a document with the short forms of intrinsic functions as maps,
// such as {"!Ref": "Stream"}.
func decodeYAML(text []byte, out *any) error {
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return err
	}
	if len(node.Content) == 0 {
		return nil
	}
	*out = plain(node.Content[0])
	return nil
}

func plain(n *yaml.Node) any {
	tagged := func(value any) any {
		if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
			return map[string]any{n.Tag: value}
		}
		return value
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			out[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return tagged(out)
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, item := range n.Content {
			out[i] = plain(item)
		}
		return tagged(out)
	case yaml.AliasNode:
		return plain(n.Alias)
	default:
		return tagged(n.Value)
	}
}

// DiffValues compares two values. If both are documents in JSON, only the paths
// that differ are listed.
func DiffValues(path, before string, hasBefore bool, after string, hasAfter bool) []Difference {
	if hasBefore == hasAfter && before == after {
		return nil
	}
	d := Difference{Path: path}
	if hasBefore {
		d.Before = &before
	}
	if hasAfter {
		d.After = &after
	}
	if old, next := parseJSON(before), parseJSON(after); old != nil && next != nil {
		if inside := diffTrees(path, old, next); len(inside) > 0 {
			return inside
		}
	}
	return []Difference{d}
}

// parseJSON reads an object or a list; nil for any other text.
func parseJSON(text string) (out any) {
	if t := strings.TrimSpace(text); !strings.HasPrefix(t, "{") && !strings.HasPrefix(t, "[") {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&out) != nil || d.More() {
		return nil
	}
	return out
}

func diffTrees(path string, before, after any) (out []Difference) {
	if old, ok := before.(map[string]any); ok {
		if next, ok := after.(map[string]any); ok {
			keys := maps.Clone(old)
			maps.Copy(keys, next)
			for _, key := range slices.Sorted(maps.Keys(keys)) {
				below := key
				if path != "" {
					below = path + "." + key
				}
				out = append(out, diffMembers(below, old, next, key)...)
			}
			return out
		}
	}
	if old, ok := before.([]any); ok {
		if next, ok := after.([]any); ok {
			for i := range max(len(old), len(next)) {
				var a, b any
				if i < len(old) {
					a = old[i]
				}
				if i < len(next) {
					b = next[i]
				}
				out = append(out, diffTrees(fmt.Sprintf("%s[%d]", path, i), a, b)...)
			}
			return out
		}
	}
	old, hasOld := text(before)
	next, hasNext := text(after)
	return DiffValues(path, old, hasOld, next, hasNext)
}

// diffMembers compares one member of two maps. For a member that only one map has, it
// lists the member's own values.
func diffMembers(path string, old, next map[string]any, key string) []Difference {
	a, had := old[key]
	b, has := next[key]
	switch {
	case had && has:
		return diffTrees(path, a, b)
	case has:
		return diffTrees(path, empty(b), b)
	default:
		return diffTrees(path, a, empty(a))
	}
}

// empty returns an empty container of the same kind as a value; nil for other values.
func empty(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			return map[string]any{}
		}
	case []any:
		if len(v) > 0 {
			return []any{}
		}
	}
	return nil
}

// text formats a value on one line; ok is false for a missing value.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	line, err := json.Marshal(v)
	return string(line), err == nil
}

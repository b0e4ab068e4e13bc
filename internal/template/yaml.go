package template

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// yamlWriter writes nodes as compact YAML: an indentation of one, none for lists, and
// no space after a comma. yaml.v3's encoder has none of these options and keeps every
// event of a document; with it, rendering took twice the time and four times the
// memory. A node's Style selects the collections on one line.
type yamlWriter struct{ bytes.Buffer }

// mapping writes the entries of a map, each on a new line.
func (w *yamlWriter) mapping(n *yaml.Node, indent int) {
	for i := 0; i < len(n.Content); i += 2 {
		if i > 0 {
			w.newline(indent)
		}
		key := n.Content[i]
		if key.HeadComment != "" {
			w.WriteString("# " + key.HeadComment)
			w.newline(indent)
		}
		w.scalar(key, false)
		w.WriteByte(':')
		w.value(n.Content[i+1], indent, false)
	}
}

// sequence writes the items of a list, each on a new line.
func (w *yamlWriter) sequence(n *yaml.Node, indent int) {
	for i, item := range n.Content {
		if i > 0 {
			w.newline(indent)
		}
		w.WriteByte('-')
		w.value(item, indent, true)
	}
}

// value writes the value after a key or, for an item, after a dash: on the same line if
// it is one line or the first of an item. The indent is that of the key or the dash.
func (w *yamlWriter) value(n *yaml.Node, indent int, item bool) {
	if n.Kind == yaml.ScalarNode || n.Style&yaml.FlowStyle != 0 || len(n.Content) == 0 {
		w.WriteByte(' ')
		w.inline(n)
		return
	}
	tag := ownTag(n)
	if tag != "" {
		w.WriteString(" " + tag)
	}
	switch {
	case item:
		indent += 2
	case n.Kind == yaml.MappingNode:
		indent++
	}
	if item && tag == "" {
		w.WriteByte(' ')
	} else {
		w.newline(indent)
	}
	if n.Kind == yaml.MappingNode {
		w.mapping(n, indent)
		return
	}
	w.sequence(n, indent)
}

// inline writes a node on one line.
func (w *yamlWriter) inline(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		w.scalar(n, false)
		return
	}
	w.flow(n)
}

// flow writes a node between brackets.
func (w *yamlWriter) flow(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		w.scalar(n, true)
		return
	}
	if tag := ownTag(n); tag != "" {
		w.WriteString(tag + " ")
	}
	brackets, pair := "[]", 1
	if n.Kind == yaml.MappingNode {
		brackets, pair = "{}", 2
	}
	w.WriteByte(brackets[0])
	for i, child := range n.Content {
		switch {
		case i > 0 && i%pair == 0:
			w.WriteByte(',')
		case i > 0:
			w.WriteString(": ")
		}
		w.flow(child)
	}
	w.WriteByte(brackets[1])
}

func (w *yamlWriter) newline(indent int) {
	w.WriteByte('\n')
	for range indent {
		w.WriteByte(' ')
	}
}

// scalar writes a value plain if it reads back unchanged, else quoted.
func (w *yamlWriter) scalar(n *yaml.Node, inFlow bool) {
	if tag := ownTag(n); tag != "" {
		w.WriteString(tag + " ")
	}
	isText := n.Tag == "!!str"
	switch {
	case n.Style == yaml.DoubleQuotedStyle || isText && (&yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}).ShortTag() != "!!str":
		w.WriteString(strconv.Quote(n.Value)) // YAML has all of Go's escapes
	case plain(n.Value, inFlow):
		w.WriteString(n.Value)
	case strings.ContainsFunc(n.Value, func(r rune) bool { return !unicode.IsPrint(r) }):
		w.WriteString(strconv.Quote(n.Value))
	default:
		w.WriteString("'" + strings.ReplaceAll(n.Value, "'", "''") + "'")
	}
}

// ownTag returns the tag of an intrinsic; YAML's own tags aren't written.
func ownTag(n *yaml.Node) string {
	if strings.HasPrefix(n.Tag, "!!") {
		return ""
	}
	return n.Tag
}

// plain reports whether a value needs no quotes.
func plain(s string, inFlow bool) bool {
	switch {
	case s == "" || strings.TrimSpace(s) != s || strings.HasPrefix(s, "---") || strings.HasPrefix(s, "..."),
		strings.ContainsRune("#,[]{}&*!|>'\"%@`", rune(s[0])),
		s == "-" || s == "?" || strings.HasPrefix(s, "- ") || strings.HasPrefix(s, "? "),
		strings.HasSuffix(s, ":") || strings.Contains(s, ": ") || strings.Contains(s, " #"),
		inFlow && strings.ContainsAny(s, ",?[]{}:"):
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

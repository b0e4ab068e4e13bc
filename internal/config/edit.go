package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// RemoveWriteKey returns the text of a variables file without the write key of a name, at
// the top level and in all environments. Everything else stays, byte for byte. removed is
// the number of entries; an entry that shares a line with others is an error.
func RemoveWriteKey(text []byte, name string) (out []byte, removed int, err error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, 0, fmt.Errorf("read variables: %w", err)
	}
	lines := bytes.SplitAfter(text, []byte{'\n'})
	var cut [][2]int // from and to, from 1, without to
	var walk func(n *yaml.Node) error
	walk = func(n *yaml.Node) error {
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Value != "WriteKeys" || value.Kind != yaml.SequenceNode {
				if err := walk(value); err != nil {
					return err
				}
				continue
			}
			found, err := entries(value, name, lines)
			if err != nil {
				return err
			}
			if removed += len(found); len(found) == len(value.Content) && len(found) > 0 {
				found = append(found, [2]int{key.Line, key.Line + 1})
			}
			cut = append(cut, found...)
		}
		return nil
	}
	if len(doc.Content) > 0 {
		if err := walk(doc.Content[0]); err != nil {
			return nil, 0, err
		}
	}
	for i, line := range lines {
		if !slices.ContainsFunc(cut, func(c [2]int) bool { return i+1 >= c[0] && i+1 < c[1] }) {
			out = append(out, line...)
		}
	}
	return out, removed, nil
}

// entries returns the lines of the entries of a list with a name.
func entries(list *yaml.Node, name string, lines [][]byte) (found [][2]int, err error) {
	for _, item := range list.Content {
		for j := 0; item.Kind == yaml.MappingNode && j+1 < len(item.Content); j += 2 {
			if item.Content[j].Value != "Name" || item.Content[j+1].Value != name {
				continue
			}
			if list.Style&yaml.FlowStyle != 0 || !strings.HasPrefix(strings.TrimSpace(string(lines[item.Line-1])), "-") {
				return nil, fmt.Errorf("line %d: the entry of %s shares its line with others: remove it by hand", item.Line, name)
			}
			found = append(found, [2]int{item.Line, lastLine(item) + 1})
		}
	}
	return found, nil
}

// lastLine is the last line of a node whose texts have one line each.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

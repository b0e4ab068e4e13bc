package config

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxNodes bounds a document after its aliases are resolved: aliases of aliases are
// small only in the file.
const maxNodes = 100_000

// parse reads one YAML document whose top level is a mapping. It returns the tree with
// aliases and merge keys (<<) resolved and each key of a map once, so that readers of
// the tree need not handle them, and the problems.
func parse(r io.Reader) (*yaml.Node, []Problem) {
	empty := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	var doc, second yaml.Node
	decoder := yaml.NewDecoder(r)
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return empty, nil
	}
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			return empty, []Problem{{Line: second.Line, What: "a second document begins here; want one, without a line of ---"}}
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return empty, []Problem{{What: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	t := tree{}
	root := t.resolve(doc.Content[0], "", nil)
	switch {
	case root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		return empty, nil
	case root.Kind != yaml.MappingNode:
		return empty, []Problem{{What: fmt.Sprintf("line %d: want keys with values, such as `Environment: production`", root.Line)}}
	}
	return root, t.problems
}

// tree resolves the nodes of a document.
type tree struct {
	nodes    int
	problems []Problem
}

func (t *tree) add(path string, line int, format string, args ...any) {
	t.problems = append(t.problems, Problem{Key: path, Line: line, What: fmt.Sprintf(format, args...)})
}

// nothing returns a replacement for a node that can't be resolved.
func nothing(line int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: line}
}

// resolve returns a copy of a node without aliases and merge keys. above are the
// aliases that led to it.
func (t *tree) resolve(n *yaml.Node, path string, above []*yaml.Node) *yaml.Node {
	if t.nodes++; t.nodes > maxNodes {
		if t.nodes == maxNodes+1 {
			t.add(path, n.Line, "aliases make more than %d values; write them out", maxNodes)
		}
		return nothing(n.Line)
	}
	switch n.Kind {
	case yaml.AliasNode:
		if slices.Contains(above, n.Alias) {
			t.add(path, n.Line, "*%s contains itself", n.Value)
			return nothing(n.Line)
		}
		return t.resolve(n.Alias, path, append(slices.Clone(above), n.Alias))
	case yaml.SequenceNode:
		out := *n
		out.Content = nil
		for i, item := range n.Content {
			out.Content = append(out.Content, t.resolve(item, fmt.Sprintf("%s[%d]", path, i), append(slices.Clone(above), n)))
		}
		return &out
	case yaml.MappingNode:
		return t.resolveMap(n, path, append(slices.Clone(above), n))
	}
	out := *n
	return &out
}

// resolveMap keeps the first of duplicate keys. A map's own keys win over merged ones;
// of several merged maps, the first wins.
func (t *tree) resolveMap(n *yaml.Node, path string, above []*yaml.Node) *yaml.Node {
	out := *n
	out.Content = nil
	lines := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			t.add(path, key.Line, "want a key that is text")
			continue
		}
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		if key.Tag == "!!merge" {
			merged = append(merged, t.mergedMaps(value, at, above)...)
			continue
		}
		if first, twice := lines[key.Value]; twice {
			t.add(at, key.Line, "given twice, first on line %d; keep one", first)
			continue
		}
		lines[key.Value] = key.Line
		out.Content = append(out.Content, key, t.resolve(value, at, above))
	}
	for _, m := range merged {
		for i := 0; i+1 < len(m.Content); i += 2 {
			if key := m.Content[i]; lines[key.Value] == 0 {
				lines[key.Value] = key.Line
				out.Content = append(out.Content, key, m.Content[i+1])
			}
		}
	}
	return &out
}

// mergedMaps returns the maps of a merge key: one, or a list.
func (t *tree) mergedMaps(value *yaml.Node, path string, above []*yaml.Node) (maps []*yaml.Node) {
	resolved := t.resolve(value, path, above)
	list := []*yaml.Node{resolved}
	if resolved.Kind == yaml.SequenceNode {
		list = resolved.Content
	}
	for _, m := range list {
		if m.Kind != yaml.MappingNode {
			t.add(path, value.Line, "want a section, or a list of sections, such as *defaults")
			continue
		}
		maps = append(maps, m)
	}
	return maps
}

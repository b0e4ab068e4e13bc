package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// tree is a part of a template as decoded JSON.
type tree = map[string]any

func parseTree(text []byte) (any, error) {
	decoder := jsontext.NewDecoder(bytes.NewBuffer(text))
	value, err := readTree(decoder)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after a JSON value")
	}
	return value, nil
}

func readTree(d *jsontext.Decoder) (any, error) {
	token, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		return readMap(d)
	case '[':
		return readList(d)
	case '"':
		return unmark(token.String())
	case '0':
		return json.Number(token.String()), nil
	case 'n':
		return nil, nil
	default:
		return token.Bool(), nil
	}
}

func readMap(d *jsontext.Decoder) (any, error) {
	out := tree{}
	for d.PeekKind() != '}' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := token.String()
		if strings.Contains(key, mark) {
			return nil, fmt.Errorf("a map key is an intrinsic")
		}
		if out[key], err = readTree(d); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	_, err := d.ReadToken()
	return out, err
}

func readList(d *jsontext.Decoder) (any, error) {
	out := []any{}
	for d.PeekKind() != ']' {
		item, err := readTree(d)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", len(out), err)
		}
		out = append(out, item)
	}
	_, err := d.ReadToken()
	return out, err
}

// unmark returns the intrinsic of a marked string, and any other string itself.
func unmark(text string) (any, error) {
	if !strings.Contains(text, mark) {
		return text, nil
	}
	inner, err := parseTree([]byte(strings.TrimPrefix(text, mark)))
	if !isMarked(text) || err != nil {
		return nil, fmt.Errorf("an intrinsic was concatenated with text: use Sub or Join")
	}
	return inner, nil
}

// sections returns the template's parts in metricRef order.
func (t *Template) sections() ([]section, error) {
	resources := make([]section, 0, len(t.resources))
	for _, g := range t.Groups {
		resources = append(resources, t.groupSections(g)...)
	}
	var out []section
	for _, part := range []section{
		{name: "AWSTemplateFormatVersion", value: "2010-09-09"},
		{name: "Description", value: t.Description},
		{name: "Parameters", value: t.Parameters},
		{name: "Mappings", value: t.Mappings},
		{name: "Resources", children: resources},
		{name: "Outputs", value: t.Outputs},
	} {
		if part.children == nil {
			body, err := toTree(part.value)
			if err != nil {
				return nil, fmt.Errorf("render %s: %w", part.name, err)
			}
			if m, ok := body.(tree); ok && len(m) == 0 {
				continue
			}
			part.value = body
		}
		out = append(out, part)
	}
	return out, nil
}

// groupSections returns a group's resources; the first has the group's name as its
// title.
func (t *Template) groupSections(g Group) []section {
	var out []section
	for _, id := range g.Resources {
		out = append(out, section{name: id, value: t.resources[id]})
	}
	if len(out) > 0 {
		out[0].comment = g.Name
	}
	return out
}

// section is a named part of the rendered text: a value, or children in order.
type section struct {
	name     string
	value    any
	children []section
	comment  string
}

// keyOrder puts a resource's attributes before its properties; the rest is
// alphabetical.
func keyOrder(m map[string]any) []string {
	keys := sortedKeys(m)
	if _, resource := m["Type"]; resource {
		slices.SortStableFunc(keys, func(a, b string) int { return attributeRank(a) - attributeRank(b) })
	}
	return keys
}

// attributeRank is the position of a resource's attribute; properties come last.
func attributeRank(key string) int {
	switch key {
	case "Type":
		return 0
	case "DependsOn":
		return 1
	case "DeletionPolicy":
		return 2
	case "UpdateReplacePolicy":
		return 3
	case "Metadata":
		return 4
	}
	return 5
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

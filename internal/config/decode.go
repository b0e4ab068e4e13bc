package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/nearest"
)

// object decodes a mapping into a struct by its yaml tags. Unknown keys and values of a
// wrong type are problems.
func (d *decoder) object(prefix string, node *yaml.Node, into any) {
	target := reflect.ValueOf(into).Elem()
	fields := map[string]reflect.Value{}
	for i := range target.NumField() {
		if name := target.Type().Field(i).Tag.Get("yaml"); name != "-" {
			fields[name] = target.Field(i)
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path := prefix + key.Value
		field, known := fields[key.Value]
		if !known {
			d.add(path, key.Line, "unknown key%s", didYouMean(key.Value, sortedKeys(fields)))
			continue
		}
		d.lines[path] = key.Line
		d.value(path, value, field)
	}
}

// value decodes one field; it supports the types of Variables.
func (d *decoder) value(path string, node *yaml.Node, field reflect.Value) {
	switch field.Kind() {
	case reflect.Struct:
		if node.Kind != yaml.MappingNode {
			d.add(path, node.Line, "%s: want a section of keys", shown(path, node))
			return
		}
		d.object(path+".", node, field.Addr().Interface())
	case reflect.Map:
		d.stringMap(path, node, field)
	case reflect.Slice:
		if field.Type().Elem().Kind() == reflect.Struct {
			d.sectionList(path, node, field)
			return
		}
		d.stringList(path, node, field)
	case reflect.String:
		if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
			d.add(path, node.Line, "%s: want text", shown(path, node))
			return
		}
		field.SetString(node.Value)
	case reflect.Int:
		n, err := strconv.Atoi(node.Value)
		if node.Kind != yaml.ScalarNode || node.Tag != "!!int" || err != nil {
			d.add(path, node.Line, "%s: want a whole number", shown(path, node))
			return
		}
		field.SetInt(int64(n))
	case reflect.Bool:
		var b bool
		if node.Kind != yaml.ScalarNode || node.Decode(&b) != nil {
			d.add(path, node.Line, "%s: want true or false", shown(path, node))
			return
		}
		field.SetBool(b)
	case reflect.Float64:
		var n float64
		if node.Kind != yaml.ScalarNode || node.Tag != "!!int" && node.Tag != "!!float" || node.Decode(&n) != nil {
			d.add(path, node.Line, "%s: want a number", shown(path, node))
			return
		}
		field.SetFloat(n)
	case reflect.Pointer: // nil is a value that is not set
		value := reflect.New(field.Type().Elem())
		d.value(path, node, value.Elem())
		field.Set(value)
	default:
		d.add(path, node.Line, "has a type that can't be read: %s", field.Type())
	}
}

// stringMap decodes Tags. The environment's section adds to the top level.
func (d *decoder) stringMap(path string, node *yaml.Node, field reflect.Value) {
	if node.Kind != yaml.MappingNode {
		d.add(path, node.Line, "%s: want names with values", shown(path, node))
		return
	}
	if field.IsNil() {
		field.Set(reflect.MakeMap(field.Type()))
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if value.Kind != yaml.ScalarNode || value.Tag == "!!null" {
			d.add(path+"."+key.Value, value.Line, "%s: want text", shown(path, value))
			continue
		}
		d.lines[path+"."+key.Value] = key.Line
		field.SetMapIndex(reflect.ValueOf(key.Value), reflect.ValueOf(value.Value))
	}
}

// stringList decodes a list of texts; a later list replaces an earlier one.
func (d *decoder) stringList(path string, node *yaml.Node, field reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		d.add(path, node.Line, "%s: want a list", shown(path, node))
		return
	}
	list := []string{}
	for _, item := range node.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			d.add(path, item.Line, "%s: want a list of text", shown(path, item))
			return
		}
		list = append(list, item.Value)
	}
	field.Set(reflect.ValueOf(list))
}

// sectionList decodes a list of sections; a later list replaces an earlier one.
func (d *decoder) sectionList(path string, node *yaml.Node, field reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		d.add(path, node.Line, "%s: want a list of sections", shown(path, node))
		return
	}
	list := reflect.MakeSlice(field.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.lines[at] = item.Line
		d.value(at, item, list.Index(i))
	}
	field.Set(list)
}

// shown returns a value for a message, without secrets.
func shown(path string, node *yaml.Node) string {
	switch {
	case strings.HasSuffix(path, "DatabasePassword"):
		return "the value (not shown)"
	case node.Kind == yaml.MappingNode:
		return "a section"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Tag == "!!null":
		return "nothing"
	default:
		return fmt.Sprintf("%q", node.Value)
	}
}

// didYouMean suggests the known key that is nearest to a typo.
func didYouMean(got string, known []string) string {
	if best := nearest.Name(got, known); best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return "; `streamctl init` writes a file with every key"
}

package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// YAML renders the template with short intrinsics (!Ref, !Sub). The same template
// always renders to the same bytes.
func (t *Template) YAML() ([]byte, error) {
	sections, err := t.sections()
	if err != nil {
		return nil, err
	}
	var out yamlWriter
	out.mapping(yamlSections(sections), 0)
	out.newline(0)
	return out.Bytes(), nil
}

// JSON renders the template as JSON with long intrinsics (Fn::Sub).
func (t *Template) JSON() ([]byte, error) {
	sections, err := t.sections()
	if err != nil {
		return nil, err
	}
	var compact, out bytes.Buffer
	if err := writeJSON(&compact, sections); err != nil {
		return nil, fmt.Errorf("render JSON: %w", err)
	}
	if err := json.Indent(&out, compact.Bytes(), "", " "); err != nil {
		return nil, fmt.Errorf("render JSON: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func writeJSON(out *bytes.Buffer, sections []section) error {
	out.WriteByte('{')
	for i, s := range sections {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(out, "%q:", s.name)
		if s.children != nil {
			if err := writeJSON(out, s.children); err != nil {
				return err
			}
			continue
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(s.value); err != nil {
			return err
		}
	}
	out.WriteByte('}')
	return nil
}

func yamlSections(sections []section) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, s := range sections {
		key := text(s.name)
		if s.comment != "" {
			key.HeadComment = s.comment
		}
		value := yamlNode(s.value)
		compact(value, 0, widthFor(s.value))
		if s.children != nil {
			value = yamlSections(s.children)
		}
		node.Content = append(node.Content, key, value)
	}
	return node
}

// lineWidth is the longest collection on one line. Most of a template is small
// collections: on separate lines their indentation would take more bytes than their
// content, and a request body is limited to 51,200.
const lineWidth = 1200

// rows are the types whose properties are on one line of any length: a template has
// many such resources, and they read as a table.
var rows = []string{"AWS::CloudWatch::Alarm", "AWS::EC2::SecurityGroupEgress", "AWS::Lambda::Permission", "AWS::Logs::LogGroup"}

// compact puts small collections on one line, from the second level on, and returns the
// width of the node on one line.
func compact(node *yaml.Node, depth, limit int) int {
	width := len(node.Tag) + len(node.Value) + len(", ")
	for _, child := range node.Content {
		width += compact(child, depth+1, limit)
	}
	if depth >= 1 && node.Kind != yaml.ScalarNode && width <= limit {
		node.Style |= yaml.FlowStyle
	}
	return width
}

// widthFor returns the line width for a section: unlimited for a row.
func widthFor(value any) int {
	if resource, ok := value.(map[string]any); ok {
		if kind, ok := resource["Type"].(string); ok && slices.Contains(rows, kind) {
			return math.MaxInt
		}
	}
	return lineWidth
}

// short are the intrinsics with a short form in this package.
var short = []string{"Fn::Sub", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::Cidr", "Fn::GetAZs", "Fn::FindInMap"}

func yamlNode(value any) *yaml.Node {
	switch value := value.(type) {
	case map[string]any:
		if len(value) == 1 {
			if node := yamlIntrinsic(value); node != nil {
				return node
			}
		}
		node := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range keyOrder(value) {
			node.Content = append(node.Content, text(key), yamlNode(value[key]))
		}
		return node
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range value {
			node.Content = append(node.Content, yamlNode(item))
		}
		return node
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: value.String()}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(value)}
	case string:
		return text(value)
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
}

// yamlIntrinsic returns the short form of an intrinsic; nil for anything else.
func yamlIntrinsic(value map[string]any) *yaml.Node {
	for name, argument := range value {
		switch name {
		case "Ref":
			if id, ok := argument.(string); ok {
				return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!Ref", Value: id}
			}
		case "Fn::GetAtt":
			if list, ok := argument.([]any); ok && len(list) == 2 {
				return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!GetAtt", Value: fmt.Sprintf("%s.%s", list[0], list[1])}
			}
		}
		for _, s := range short {
			if s != name {
				continue
			}
			node := yamlNode(argument)
			node.Tag = "!" + strings.TrimPrefix(name, "Fn::")
			return node
		}
	}
	return nil
}

// text returns a string scalar. The encoder quotes strings that YAML 1.2 would read as
// another type; CloudFormation reads YAML 1.1, where more strings are affected.
func text(s string) *yaml.Node {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if ambiguousInYAML11(s) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// ambiguousInYAML11 reports whether YAML 1.1 reads a plain s as a boolean, a merge key,
// or a base-60 number such as 10:30.
func ambiguousInYAML11(s string) bool {
	if len(s) <= len("yes") {
		switch strings.ToLower(s) {
		case "y", "n", "yes", "no", "on", "off", "<<", "=":
			return true
		}
	}
	return strings.Contains(s, ":") && strings.Trim(s, "+-0123456789:._") == ""
}

// GroupBytes returns the size of each part as YAML, to keep the whole below
// MaxBodyBytes.
func (t *Template) GroupBytes() (map[string]int, error) {
	out := map[string]int{}
	for _, g := range t.Groups {
		var rendered yamlWriter
		rendered.mapping(yamlSections(t.groupSections(g)), 0)
		out[g.Name] = rendered.Len()
	}
	return out, nil
}

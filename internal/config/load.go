package config

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/contract"
)

// Load reads the variables for an environment. An empty environment selects the one in
// the file, or production. name is the file's name for messages. Later values win: the
// environment's defaults, the file's top level, then its section
// Environments.<environment>. All problems of the file are returned as one
// *InvalidError.
func Load(r io.Reader, name, environment string) (Variables, error) {
	root, wrong := parse(r)
	d := decoder{lines: map[string]int{}, problems: wrong}
	sections := d.take(root, "Environments")
	own := d.environment(root)
	if environment == "" {
		environment = own
	}
	v := Default(environment)
	d.object("", root, &v)
	if own != environment && own != "" && !slices.Contains(environments, own) {
		d.add("Environment", d.lines["Environment"], "%q: %s", own, oneOf(own, environments))
	}
	v.Environment = environment
	d.sections(sections, environment, &v)
	derive(&v, d.lines)
	problems := slices.Concat(d.problems, d.locate(v.problems(), environment))
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
		return Variables{}, &InvalidError{File: name, Problems: problems}
	}
	return v, nil
}

// derive sets defaults that depend on other values.
func derive(v *Variables, lines map[string]int) {
	if _, set := lookup(lines, v.Environment, "ProcessorMapping.RecordAgeSeconds"); !set {
		v.ProcessorMapping.RecordAgeSeconds = contract.ProcessorMapping(v.StreamRetentionHours).RecordAgeSeconds
	}
	if _, set := lookup(lines, v.Environment, "ShardCount"); !set && v.StreamMode == StreamOnDemand {
		v.ShardCount = 0
	}
	if _, set := lookup(lines, v.Environment, "StackName"); !set {
		v.StackName = StackName(v.Environment)
	}
}

// decoder fills Variables from YAML nodes and records the line of each key.
type decoder struct {
	lines    map[string]int // by path
	problems []Problem
}

func (d *decoder) add(key string, line int, format string, args ...any) {
	d.problems = append(d.problems, Problem{Key: key, Line: line, What: fmt.Sprintf(format, args...)})
}

// take removes a key from a mapping and returns its value, or nil.
func (d *decoder) take(root *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == key {
			value := root.Content[i+1]
			root.Content = slices.Delete(root.Content, i, i+2)
			return value
		}
	}
	return nil
}

// environment returns the file's own Environment key.
func (d *decoder) environment(root *yaml.Node) string {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "Environment" && root.Content[i+1].Kind == yaml.ScalarNode {
			return root.Content[i+1].Value
		}
	}
	return Production
}

// sections decodes Environments: the chosen section into v, the rest only to find
// problems.
func (d *decoder) sections(node *yaml.Node, environment string, v *Variables) {
	if node == nil || node.Tag == "!!null" {
		return
	}
	if node.Kind != yaml.MappingNode {
		d.add("Environments", node.Line, "want a section for each environment, such as `staging:` with its own values")
		return
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, body := node.Content[i], node.Content[i+1]
		path := "Environments." + name.Value
		if !slices.Contains(environments, name.Value) {
			d.add(path, name.Line, "%q is not an environment; %s", name.Value, oneOf(name.Value, environments))
			continue
		}
		if body.Tag == "!!null" {
			continue
		}
		if body.Kind != yaml.MappingNode {
			d.add(path, body.Line, "want keys with values")
			continue
		}
		if own := d.take(body, "Environment"); own != nil {
			d.add(path+".Environment", own.Line, "remove it; the section's name is the environment")
		}
		other := Default(name.Value)
		into := &other
		if name.Value == environment {
			into = v
		}
		d.object(path+".", body, into)
	}
}

// locate adds the lines of the keys with problems.
func (d *decoder) locate(problems []Problem, environment string) []Problem {
	complained := map[string]bool{}
	for _, p := range d.problems {
		complained[p.Key] = true
	}
	var out []Problem
	for _, p := range problems {
		if path, ok := lookup(d.lines, environment, p.Key); ok {
			p.Key, p.Line = path, d.lines[path]
		}
		if !complained[p.Key] { // a value of the wrong type has been reported
			out = append(out, p)
		}
	}
	return out
}

// lookup returns the place where a key was set last: in the environment's section, or
// at the top level.
func lookup(lines map[string]int, environment, key string) (path string, ok bool) {
	for _, path := range []string{"Environments." + environment + "." + key, key} {
		if _, ok := lines[path]; ok {
			return path, true
		}
	}
	return key, false
}

// sortedKeys gives messages about maps a stable order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

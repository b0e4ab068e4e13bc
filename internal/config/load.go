package config

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/streamctl/streamctl/internal/contract"
)

// Load reads the variables for an environment. An empty environment means the one
// that the file names, and production if it names none. name is the file's in
// messages. Later values win: the environment's defaults, the file's top level, then
// its section Environments.<environment>. Everything that is wrong with the file comes
// as one *InvalidError.
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

// derive fills what hangs on another value and wasn't set by the file.
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

// decoder fills Variables from YAML nodes and remembers where each key stood.
type decoder struct {
	lines    map[string]int // by path
	problems []Problem
}

func (d *decoder) add(key string, line int, format string, args ...any) {
	d.problems = append(d.problems, Problem{Key: key, Line: line, What: fmt.Sprintf(format, args...)})
}

// take removes a key from a mapping and returns its value, nil without it.
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

// environment is what the file's own Environment key says.
func (d *decoder) environment(root *yaml.Node) string {
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "Environment" && root.Content[i+1].Kind == yaml.ScalarNode {
			return root.Content[i+1].Value
		}
	}
	return Production
}

// sections reads Environments: the chosen one into v, the others only to find
// what is wrong with them.
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
			d.add(path, name.Line, "%q is no environment; %s", name.Value, oneOf(name.Value, environments))
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
			d.add(path+".Environment", own.Line, "remove it; the section's name says which environment it is for")
		}
		other := Default(name.Value)
		into := &other
		if name.Value == environment {
			into = v
		}
		d.object(path+".", body, into)
	}
}

// locate adds the lines of the keys that the rules complained about.
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
		if !complained[p.Key] { // a value of the wrong type was told already
			out = append(out, p)
		}
	}
	return out
}

// lookup finds where a key was set last: in the environment's section, else at
// the top level.
func lookup(lines map[string]int, environment, key string) (path string, ok bool) {
	for _, path := range []string{"Environments." + environment + "." + key, key} {
		if _, ok := lines[path]; ok {
			return path, true
		}
	}
	return key, false
}

// sortedKeys makes messages about maps stable.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

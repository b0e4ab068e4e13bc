// Package stacktemplate reads the CloudFormation template of an existing stack, which
// another version of streamctl may have made.
package stacktemplate

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// Resource is a resource of a template.
type Resource struct {
	Type           string
	DeletionPolicy string // empty if the template sets none
	// Properties are the properties with a scalar value, as text. Intrinsic functions,
	// lists and maps are not included.
	Properties map[string]string
}

// Parse reads the resources of a template in YAML or JSON, by logical id.
func Parse(body []byte) (map[string]Resource, error) {
	var document struct {
		Resources map[string]struct {
			Type           string               `yaml:"Type"`
			DeletionPolicy string               `yaml:"DeletionPolicy"`
			Properties     map[string]yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	out := make(map[string]Resource, len(document.Resources))
	for id, r := range document.Resources {
		plain := map[string]string{}
		for name, value := range r.Properties {
			if value.Kind == yaml.ScalarNode {
				plain[name] = value.Value
			}
		}
		out[id] = Resource{Type: r.Type, DeletionPolicy: r.DeletionPolicy, Properties: plain}
	}
	return out, nil
}

// Texts returns each property of each resource as YAML text, by logical id and name, to
// compare templates.
func Texts(body []byte) (map[string]map[string]string, error) {
	var document struct {
		Resources map[string]struct {
			Properties map[string]yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(body, &document); err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	out := make(map[string]map[string]string, len(document.Resources))
	for id, r := range document.Resources {
		out[id] = make(map[string]string, len(r.Properties))
		for name, value := range r.Properties {
			text, err := yaml.Marshal(&value)
			if err != nil {
				return nil, fmt.Errorf("read template: %s.%s: %w", id, name, err)
			}
			out[id][name] = string(text)
		}
	}
	return out, nil
}

// Types returns the type of each resource, by logical id.
func Types(resources map[string]Resource) map[string]string {
	out := make(map[string]string, len(resources))
	for id, r := range resources {
		out[id] = r.Type
	}
	return out
}

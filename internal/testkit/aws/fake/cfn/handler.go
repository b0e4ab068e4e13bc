package cfn

import (
	"context"
	"slices"
	"strings"
	"time"
)

// delay waits as long as a handler of a resource type takes. A handler that would take
// longer than its timeout fails immediately.
func (s *Service) delay(ctx context.Context, resourceType, handler string) error {
	if s.options.Delay == nil {
		return ctx.Err()
	}
	takes := s.options.Delay(resourceType)
	kind, _ := s.provider.Kind(resourceType)
	if most, ok := kind.Timeouts[handler]; ok && takes > most {
		return Reasonf("Resource timed out waiting for completion")
	}
	t := time.NewTimer(takes)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// checkProperties rejects properties that the schema doesn't have, and missing ones.
func (k Kind) checkProperties(id string, props map[string]any) error {
	var problems []string
	for _, name := range k.Required {
		if _, ok := props[name]; !ok {
			problems = append(problems, "#: required key ["+name+"] not found")
		}
	}
	for _, name := range sortedKeys(props) {
		if k.Properties != nil && !slices.Contains(k.Properties, name) {
			problems = append(problems, "#: extraneous key ["+name+"] is not permitted")
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return Reasonf("Properties validation failed for resource %s with message:\n%s", id, strings.Join(problems, "\n"))
}

// recreation returns the effect of a changed property.
func (k Kind) recreation(name string, before, after any) string {
	changed := func(path string) bool {
		top, rest, nested := strings.Cut(path, ".")
		return top == name && (!nested || !same(below(before, rest), below(after, rest)))
	}
	switch {
	case slices.ContainsFunc(k.CreateOnly, changed):
		return "Always"
	case slices.ContainsFunc(k.Conditional, changed):
		return "Conditionally"
	}
	return "Never"
}

// below returns the value of a path with dots in a property.
func below(v any, path string) any {
	for _, name := range strings.Split(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

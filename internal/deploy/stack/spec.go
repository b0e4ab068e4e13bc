package stack

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Spec is the desired state of a stack.
type Spec struct {
	Stack    string
	Template []byte
	// Parameters are the values to set.
	Parameters map[string]string
	// Previous are parameters that keep their value, such as a password that is
	// not sent again. A new stack has none to keep.
	Previous  []string
	Tags      map[string]string
	Protected bool
	// AllowReplace are the logical ids of stateful resources that this update may
	// replace or delete.
	AllowReplace []string
	// Policy is the stack policy.
	Policy string
	// ParametersOnly keeps the template, the tags and all other parameters of the
	// stack as they are.
	ParametersOnly bool
}

// token is the beginning of the request tokens of this spec: by it, an operation
// that is running is recognized as its own.
func (s Spec) token() string {
	h := sha256.New()
	h.Write(s.Template)
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		if !secret(name) {
			fmt.Fprintf(h, "\n%q=%q", name, s.Parameters[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		fmt.Fprintf(h, "\n%q:%q", name, s.Tags[name])
	}
	return "deploy-" + hex.EncodeToString(h.Sum(nil)[:8]) + "-"
}

// secret reports whether a parameter's value must never be shown.
func secret(name string) bool { return strings.Contains(name, "Password") }

// Complete returns the whole desired state: a spec of parameters alone takes the
// rest from the stack.
func (s Spec) Complete(current Current) Spec {
	if !s.ParametersOnly {
		return s
	}
	s.Template, s.Tags, s.Protected, s.Policy = current.Template, current.Stack.Tags, current.Stack.Protected, ""
	s.Previous = nil
	for name := range current.Stack.Parameters {
		if _, set := s.Parameters[name]; !set {
			s.Previous = append(s.Previous, name)
		}
	}
	slices.Sort(s.Previous)
	return s
}

// Current is a stack with the template that it was last deployed with.
type Current struct {
	Stack    Stack
	Template []byte
}

// Diff names the differences between a stack and its desired state. A value that
// is kept, such as a password, does not count.
func (c Current) Diff(s Spec) []string {
	var out []string
	if !bytes.Equal(c.Template, s.Template) {
		out = append(out, "the template")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		if value, known := c.Stack.Parameters[name]; !known || value != s.Parameters[name] {
			out = append(out, "parameter "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Stack.Parameters)) {
		if _, set := s.Parameters[name]; !set && !slices.Contains(s.Previous, name) {
			out = append(out, "parameter "+name)
		}
	}
	if !maps.Equal(c.Stack.Tags, s.Tags) {
		out = append(out, "the tags")
	}
	if c.Stack.Protected != s.Protected {
		out = append(out, diffProtection)
	}
	return out
}

// diffProtection is the difference that no update makes, but a call of its own.
const diffProtection = "the termination protection"

// NeedsUpdate reports whether an update of the stack is necessary.
func (c Current) NeedsUpdate(s Spec) bool {
	return len(slices.DeleteFunc(c.Diff(s), func(d string) bool { return d == diffProtection })) > 0
}

func parameters(s Spec) []types.Parameter {
	var out []types.Parameter
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		out = append(out, types.Parameter{ParameterKey: aws.String(name), ParameterValue: aws.String(s.Parameters[name])})
	}
	for _, name := range s.Previous {
		out = append(out, types.Parameter{ParameterKey: aws.String(name), UsePreviousValue: aws.Bool(true)})
	}
	return out
}

func tags(values map[string]string) []types.Tag {
	var out []types.Tag
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, types.Tag{Key: aws.String(name), Value: aws.String(values[name])})
	}
	return out
}

package cfn

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Unknown replaces a value that is known only while an operation runs; it
// occurs in change sets if a resource is new or may be replaced.
const Unknown = "{{changeSet:KNOWN_AFTER_APPLY}}"

// scope is the environment for evaluating a template's functions.
type scope struct {
	template *Template
	params   map[string]string
	pseudo   map[string]any
	zones    []string
	// resource returns a resource's physical id (attribute "") or an attribute;
	// ok is false if the resource does not exist.
	resource   func(id, attribute string) (value any, ok bool)
	conditions map[string]bool
	// dynamic reports whether dynamic references are left unresolved.
	dynamic bool
}

// noValue is the value of Ref AWS::NoValue; it removes its property.
type noValue struct{}

// fault is a template error found during evaluation; CloudFormation reports it
// as a failure of the request or the resource.
func fault(format string, args ...any) error { return invalid("Template error: "+format, args...) }

func (s *scope) eval(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if name, arg, ok := function(v); ok {
			return s.call(name, arg)
		}
		out := make(map[string]any, len(v))
		for key, item := range v {
			e, err := s.eval(item)
			if err != nil {
				return nil, err
			}
			if _, none := e.(noValue); !none {
				out[key] = e
			}
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			e, err := s.eval(item)
			if err != nil {
				return nil, err
			}
			if _, none := e.(noValue); !none {
				out = append(out, e)
			}
		}
		return out, nil
	case string:
		if strings.Contains(v, "{{resolve:") && !s.dynamic {
			return nil, fault("the fake resolves no dynamic references, found %q", v)
		}
	}
	return v, nil
}

func (s *scope) call(name string, arg any) (any, error) {
	switch name {
	case "Ref":
		return s.ref(text(arg))
	case "Condition":
		return s.condition(text(arg))
	case "Fn::GetAtt":
		id, attribute, err := getAtt(arg)
		if err != nil {
			return nil, err
		}
		return s.attribute(id, attribute)
	case "Fn::Sub":
		return s.sub(arg)
	case "Fn::If":
		list := arg.([]any) // validated when parsed
		yes, err := s.condition(text(list[0]))
		if err != nil {
			return nil, err
		}
		if yes {
			return s.eval(list[1])
		}
		return s.eval(list[2])
	}
	v, err := s.eval(arg)
	if err != nil {
		return nil, err
	}
	list, _ := v.([]any)
	switch name {
	case "Fn::Base64":
		return base64.StdEncoding.EncodeToString([]byte(text(v))), nil
	case "Fn::GetAZs":
		return anyList(s.zones), nil
	case "Fn::Join":
		return join(list)
	case "Fn::Split":
		if len(list) != 2 || text(list[0]) == "" {
			return nil, fault("every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split")
		}
		return anyList(strings.Split(text(list[1]), text(list[0]))), nil
	case "Fn::Select":
		return selectItem(list)
	case "Fn::Cidr":
		return cidr(list)
	case "Fn::FindInMap":
		return s.findInMap(list)
	case "Fn::Equals":
		if len(list) != 2 {
			return nil, fault("every Fn::Equals object requires a list of 2 string parameters.")
		}
		return text(list[0]) == text(list[1]), nil
	case "Fn::Not":
		if len(list) != 1 {
			return nil, fault("every Fn::Not object requires one condition.")
		}
		return list[0] != true, nil
	case "Fn::And":
		return !slices.ContainsFunc(list, func(v any) bool { return v != true }), nil
	case "Fn::Or":
		return slices.Contains(list, any(true)), nil
	}
	return nil, fault("the fake does not support %s", name)
}

func (s *scope) ref(name string) (any, error) {
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if v, ok := s.pseudo[name]; ok {
		return v, nil
	}
	if p, ok := s.template.Parameters[name]; ok {
		if p.Type == "CommaDelimitedList" || strings.HasPrefix(p.Type, "List<") {
			return anyList(splitList(s.params[name])), nil
		}
		return s.params[name], nil
	}
	if v, ok := s.resource(name, ""); ok {
		return v, nil
	}
	return nil, fault("unresolved resource %s", name)
}

func (s *scope) attribute(id, attribute string) (any, error) {
	v, ok := s.resource(id, attribute)
	if !ok {
		return nil, fault("unresolved resource %s", id)
	}
	if v == nil {
		return nil, invalid("Requested attribute %s does not exist in schema for %s", attribute, s.template.Resources[id].Type)
	}
	return v, nil
}

// condition evaluates a condition once; a self-reference is an error.
func (s *scope) condition(name string) (bool, error) {
	if v, ok := s.conditions[name]; ok {
		return v, nil
	}
	body, ok := s.template.Conditions[name]
	if !ok {
		return false, fault("unresolved condition %s", name)
	}
	s.conditions[name] = false
	v, err := s.eval(body)
	if err != nil {
		return false, err
	}
	yes, ok := v.(bool)
	if !ok {
		return false, invalid("Template format error: Every Condition member must be a string or a condition function, %s is not", name)
	}
	s.conditions[name] = yes
	return yes, nil
}

func (s *scope) sub(arg any) (any, error) {
	pattern, vars, err := subParts(arg)
	if err != nil {
		return nil, err
	}
	var failed error
	out := subVariable.ReplaceAllStringFunc(pattern, func(m string) string {
		name := strings.TrimSpace(m[2 : len(m)-1])
		var v any
		var err error
		if own, ok := vars[name]; ok {
			v, err = s.eval(own)
		} else if id, attribute, ok := strings.Cut(name, "."); ok {
			v, err = s.attribute(id, attribute)
		} else {
			v, err = s.ref(name)
		}
		if _, isList := v.([]any); isList && err == nil {
			err = fault("variable %s in Fn::Sub expression does not resolve to a string", name)
		}
		if err != nil && failed == nil {
			failed = err
		}
		return text(v)
	})
	return strings.ReplaceAll(out, "${!", "${"), failed
}

func (s *scope) findInMap(list []any) (any, error) {
	top, ok := s.template.Mappings[text(list[0])].(map[string]any)
	if ok {
		second, _ := top[text(list[1])].(map[string]any)
		if v, ok := second[text(list[2])]; ok {
			return v, nil
		}
	}
	if len(list) == 4 {
		if m, ok := list[3].(map[string]any); ok && m["DefaultValue"] != nil {
			return m["DefaultValue"], nil
		}
	}
	return nil, fault("Unable to get mapping for %s::%s::%s", text(list[0]), text(list[1]), text(list[2]))
}

func join(list []any) (any, error) {
	if len(list) == 2 {
		if items, ok := list[1].([]any); ok {
			parts := make([]string, len(items))
			for i, item := range items {
				parts[i] = text(item)
			}
			return strings.Join(parts, text(list[0])), nil
		}
	}
	return nil, fault("every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.")
}

func selectItem(list []any) (any, error) {
	if len(list) != 2 {
		return nil, fault("Fn::Select requires a list argument with two elements: an integer index and a list")
	}
	i, err := strconv.Atoi(text(list[0]))
	items, ok := list[1].([]any)
	if list[1] == Unknown {
		return Unknown, nil
	}
	if err != nil || !ok {
		return nil, fault("Fn::Select requires a list argument with two elements: an integer index and a list")
	}
	if i < 0 || i >= len(items) {
		return nil, fault("Fn::Select cannot select nonexistent value at index %d", i)
	}
	return items[i], nil
}

func cidr(list []any) (any, error) {
	if len(list) < 2 {
		return nil, fault("every Fn::Cidr object requires two or three parameters")
	}
	count, err := strconv.Atoi(text(list[1]))
	if text(list[0]) == Unknown && err == nil {
		return anyList(slices.Repeat([]string{Unknown}, count)), nil
	}
	prefix, perr := netip.ParsePrefix(text(list[0]))
	bits := 8
	if len(list) == 3 {
		if bits, perr = strconv.Atoi(text(list[2])); perr == nil {
			prefix, perr = netip.ParsePrefix(text(list[0]))
		}
	}
	length := 32 - bits
	if err != nil || perr != nil || !prefix.Addr().Is4() || count < 1 || count > 256 || bits < 1 || bits > 31 || length < prefix.Bits() {
		return nil, fault("Fn::Cidr cannot make %s blocks of %d bits out of %s", text(list[1]), bits, text(list[0]))
	}
	if available := length - prefix.Bits(); available < 9 && count > 1<<available {
		return nil, fault("Fn::Cidr cannot make %d blocks of /%d out of %s", count, length, prefix)
	}
	a4 := prefix.Masked().Addr().As4()
	base := uint32(a4[0])<<24 | uint32(a4[1])<<16 | uint32(a4[2])<<8 | uint32(a4[3])
	var out []any
	for i := range uint32(count) {
		n := base + i<<uint(bits)
		out = append(out, fmt.Sprintf("%d.%d.%d.%d/%d", n>>24, n>>16&255, n>>8&255, n&255, length))
	}
	return out, nil
}

func anyList(items []string) []any {
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = item
	}
	return out
}

// same compares evaluated values like CloudFormation: "1" and 1 are equal.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		bm, ok := b.(map[string]any)
		if !ok || len(a) != len(bm) {
			return false
		}
		for k, v := range a {
			if w, ok := bm[k]; !ok || !same(v, w) {
				return false
			}
		}
		return true
	case []any:
		bl, ok := b.([]any)
		return ok && slices.EqualFunc(a, bl, same)
	}
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return reflect.DeepEqual(a, b) || isScalar(b) && text(a) == text(b)
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

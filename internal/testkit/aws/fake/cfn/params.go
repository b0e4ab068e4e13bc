package cfn

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Parameter is one entry of Parameters.
type Parameter struct {
	Type, Description     string
	Default               *string
	NoEcho                bool
	AllowedValues         []string
	AllowedPattern        *regexp.Regexp
	MinLength, MaxLength  *int
	MinValue, MaxValue    *float64
	ConstraintDescription string
}

// Supplied is a parameter of a request.
type Supplied struct {
	Key, Value  string
	UsePrevious bool
}

func (t *Template) parseParameters(raw map[string]any) error {
	all, err := mapSection(raw, "Parameters")
	if err != nil {
		return err
	}
	if len(all) > 200 {
		return invalid("Template format error: Number of parameters, %d, is greater than maximum allowed, 200", len(all))
	}
	for _, id := range sortedKeys(all) {
		m, ok := all[id].(map[string]any)
		if !ok || !alphanumeric.MatchString(id) {
			return invalid("Template format error: Parameter name %s is non alphanumeric.", id)
		}
		p, err := parseParameter(id, m)
		if err != nil {
			return err
		}
		t.Parameters[id] = p
	}
	return nil
}

func parseParameter(id string, m map[string]any) (Parameter, error) {
	var p Parameter
	for key, v := range m {
		value := text(v)
		var err error
		switch key {
		case "Type":
			p.Type = value
		case "Description":
			p.Description = value
		case "Default":
			p.Default = &value
		case "NoEcho":
			p.NoEcho = value == "true"
		case "ConstraintDescription":
			p.ConstraintDescription = value
		case "AllowedPattern":
			p.AllowedPattern, err = regexp.Compile(`^(?:` + value + `)$`)
		case "AllowedValues":
			list, _ := v.([]any)
			for _, item := range list {
				p.AllowedValues = append(p.AllowedValues, text(item))
			}
		case "MinLength", "MaxLength":
			var n int
			n, err = strconv.Atoi(value)
			if key == "MinLength" {
				p.MinLength = &n
			} else {
				p.MaxLength = &n
			}
		case "MinValue", "MaxValue":
			var f float64
			f, err = strconv.ParseFloat(value, 64)
			if key == "MinValue" {
				p.MinValue = &f
			} else {
				p.MaxValue = &f
			}
		default:
			return p, invalid("Invalid template parameter property '%s'", key)
		}
		if err != nil {
			return p, invalid("Template format error: Parameter '%s' has an invalid %s", id, key)
		}
	}
	switch {
	case p.Type == "":
		return p, invalid("Template format error: Every Parameters object must contain a Type member.")
	case p.Type != "String" && p.Type != "Number" && p.Type != "CommaDelimitedList" && p.Type != "List<Number>" && !strings.HasPrefix(p.Type, "AWS::EC2::") && !strings.HasPrefix(p.Type, "List<AWS::"):
		return p, invalid("Template format error: Unrecognized parameter type: %s", p.Type)
	}
	if p.Default != nil {
		if err := p.check(id, *p.Default); err != nil {
			return p, invalid("Template format error: Parameter '%s' default value does not satisfy its constraints", id)
		}
	}
	return p, nil
}

// values determines every parameter's value from the request, the stack's
// previous values (nil for a new stack) and the defaults.
func (t *Template) values(supplied []Supplied, previous map[string]string) (map[string]string, error) {
	given := map[string]Supplied{}
	var unknown []string
	for _, s := range supplied {
		if _, twice := given[s.Key]; twice {
			return nil, invalid("Duplicate parameter keys: [%s]", s.Key)
		}
		given[s.Key] = s
		if _, ok := t.Parameters[s.Key]; !ok {
			unknown = append(unknown, s.Key)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, invalid("Parameters: [%s] do not exist in the template", strings.Join(unknown, ", "))
	}
	out := map[string]string{}
	var missing []string
	for _, id := range sortedKeys(t.Parameters) {
		p := t.Parameters[id]
		s, ok := given[id]
		old, had := previous[id]
		switch {
		case ok && s.UsePrevious && s.Value != "":
			return nil, invalid("Invalid input for parameter key %s. Cannot specify usePreviousValue as true and non empty value for a parameter", id)
		case ok && s.UsePrevious && had:
			out[id] = old
		case ok && !s.UsePrevious:
			out[id] = s.Value
		case !ok && p.Default != nil:
			out[id] = *p.Default
		default:
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		return nil, invalid("Parameters: [%s] must have values", strings.Join(missing, ", "))
	}
	for _, id := range sortedKeys(out) {
		if err := t.Parameters[id].check(id, out[id]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// check validates one value against the parameter's constraints.
func (p Parameter) check(id, value string) error {
	if len(value) > 4096 {
		return invalid("Parameter '%s' must contain at most 4096 characters", id)
	}
	items := []string{value}
	if strings.HasPrefix(p.Type, "List<") || p.Type == "CommaDelimitedList" {
		items = splitList(value)
	}
	for _, item := range items {
		if problem := p.problem(item); problem != "" {
			if p.ConstraintDescription != "" {
				return invalid("Parameter %s failed to satisfy constraint: %s", id, p.ConstraintDescription)
			}
			return invalid("Parameter '%s' %s", id, problem)
		}
	}
	return nil
}

func (p Parameter) problem(value string) string {
	length := utf8.RuneCountInString(value)
	number, err := strconv.ParseFloat(value, 64)
	isNumber := p.Type == "Number" || p.Type == "List<Number>"
	switch {
	case isNumber && err != nil:
		return "must be a number"
	case len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, value):
		return "must be one of AllowedValues"
	case p.AllowedPattern != nil && !p.AllowedPattern.MatchString(value):
		return "must match pattern " + strings.TrimSuffix(strings.TrimPrefix(p.AllowedPattern.String(), "^(?:"), ")$")
	case p.MinLength != nil && length < *p.MinLength:
		return "must contain at least " + strconv.Itoa(*p.MinLength) + " characters"
	case p.MaxLength != nil && length > *p.MaxLength:
		return "must contain at most " + strconv.Itoa(*p.MaxLength) + " characters"
	case isNumber && p.MinValue != nil && number < *p.MinValue:
		return "must be a number not less than " + text(*p.MinValue)
	case isNumber && p.MaxValue != nil && number > *p.MaxValue:
		return "must be a number not greater than " + text(*p.MaxValue)
	}
	return ""
}

func splitList(value string) []string {
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

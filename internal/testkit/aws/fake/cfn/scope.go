package cfn

import "strings"

func containsUnknown(s string) bool { return strings.Contains(s, Unknown) }

// newScope returns the scope for evaluating a template for a stack.
func (s *Service) newScope(st *stack, t *Template, params map[string]string, resource func(id, attribute string) (any, bool)) *scope {
	return &scope{
		template: t,
		params:   params,
		zones:    s.options.Zones,
		pseudo: map[string]any{
			"AWS::AccountId":        s.options.Account,
			"AWS::Region":           s.options.Region,
			"AWS::Partition":        "aws",
			"AWS::URLSuffix":        "amazonaws.com",
			"AWS::StackName":        st.name,
			"AWS::StackId":          st.id,
			"AWS::NotificationARNs": []any{},
		},
		resource:   resource,
		conditions: map[string]bool{},
	}
}

// value returns a resource's physical id or an attribute; nil if it has none.
func (i *instance) value(attribute string) any {
	if attribute == "" {
		return i.physicalID
	}
	if v, ok := i.attrs[attribute]; ok {
		return v
	}
	return nil
}

// secrets returns the values of the stack's NoEcho parameters.
func (st *stack) secrets() []string {
	var out []string
	for id, p := range st.template.Parameters {
		if v := st.params[id]; p.NoEcho && v != "" {
			out = append(out, v)
		}
	}
	return out
}

// masked hides NoEcho values in a text, as describe calls do.
func (st *stack) masked(text string) string {
	for _, secret := range st.secrets() {
		text = strings.ReplaceAll(text, secret, "****")
	}
	return text
}

package cfn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// deniedBy returns the reason why a stack policy denies an action on a
// resource, or "". A policy denies everything it does not allow, and a Deny
// overrides an Allow. Conditions are ignored.
func deniedBy(policy, logicalID, action string) string {
	if policy == "" {
		return ""
	}
	var p struct {
		Statement []struct {
			Effect           string
			Action, Resource texts
		}
	}
	if err := json.Unmarshal([]byte(policy), &p); err != nil {
		return "Action denied by stack policy: it can't be read"
	}
	allowed := false
	for i, s := range p.Statement {
		about := s.Action.match(action) && s.Resource.match("LogicalResourceId/"+logicalID)
		if about && s.Effect == "Deny" {
			return fmt.Sprintf("Action denied by stack policy: Statement [#%d] does not allow [%s] for resource [LogicalResourceId/%s]", i+1, action, logicalID)
		}
		allowed = allowed || about && s.Effect == "Allow"
	}
	if !allowed {
		return fmt.Sprintf("Action not allowed by stack policy: no statement allows [%s] for resource [LogicalResourceId/%s]", action, logicalID)
	}
	return ""
}

// texts is a string or a list of strings.
type texts []string

// UnmarshalJSON decodes both forms.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// match supports a star at the end.
func (t texts) match(name string) bool {
	return slices.ContainsFunc(t, func(pattern string) bool {
		prefix, open := strings.CutSuffix(pattern, "*")
		return pattern == name || open && strings.HasPrefix(name, prefix)
	})
}

// activePolicy returns the policy of the running update.
func (st *stack) activePolicy() string {
	if st.during != "" {
		return st.during
	}
	return st.policy
}

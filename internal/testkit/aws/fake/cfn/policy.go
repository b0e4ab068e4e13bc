package cfn

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// deniedBy tells what a stack policy says against an action on a resource; empty
// is nothing. A policy that is there denies what it doesn't allow, and a Deny
// overrides an Allow. Conditions aren't read.
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

// texts is a string, or a list of them.
type texts []string

// UnmarshalJSON reads both forms.
func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// match knows a star at the end.
func (t texts) match(name string) bool {
	return slices.ContainsFunc(t, func(pattern string) bool {
		prefix, open := strings.CutSuffix(pattern, "*")
		return pattern == name || open && strings.HasPrefix(name, prefix)
	})
}

// activePolicy is the one that holds during the running update.
func (st *stack) activePolicy() string {
	if st.during != "" {
		return st.during
	}
	return st.policy
}

package audit

import (
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// statement is a statement of a policy.
type statement struct {
	effect             string
	principal          any
	actions, resources []string
	condition          any
}

// statements parses a policy document.
func statements(document any) []statement {
	var out []statement
	for _, s := range list(at(document, "Statement")) {
		out = append(out, statement{
			effect: text(at(s, "Effect")), principal: at(s, "Principal"),
			actions: texts(at(s, "Action")), resources: texts(at(s, "Resource")), condition: at(s, "Condition"),
		})
	}
	return out
}

// covers reports whether a statement applies to an action on a resource.
func (s statement) covers(action, resource string) bool {
	return slices.ContainsFunc(s.actions, func(p string) bool { return match(strings.ToLower(p), strings.ToLower(action)) }) &&
		slices.ContainsFunc(s.resources, func(p string) bool { return match(p, resource) })
}

// services returns a statement's service principals.
func (s statement) services() []string { return texts(at(s.principal, "Service")) }

// grants returns the statements of a role: its inline policies, policies that
// are separate resources, and managed policies in the template.
func (v *View) grants(role cfn.Resource) []statement {
	var out []statement
	for _, p := range list(role.Properties["Policies"]) {
		out = append(out, statements(at(p, "PolicyDocument"))...)
	}
	for _, arn := range list(role.Properties["ManagedPolicyArns"]) {
		if p, ok := v.find(arn, "AWS::IAM::ManagedPolicy"); ok {
			out = append(out, statements(p.Properties["PolicyDocument"])...)
		}
	}
	for _, p := range v.attached(role) {
		out = append(out, statements(p.Properties["PolicyDocument"])...)
	}
	return out
}

// attached returns the policies that refer to a role, rather than the reverse.
func (v *View) attached(role cfn.Resource) []cfn.Resource {
	name := v.physicalID(role)
	return slices.DeleteFunc(v.of("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy"), func(p cfn.Resource) bool {
		return !slices.Contains(append(texts(p.Properties["Roles"]), text(p.Properties["RoleName"])), name)
	})
}

// allows reports whether policies allow a role an action on a resource.
func (v *View) allows(role cfn.Resource, action, resource string) bool {
	allowed := false
	for _, s := range v.grants(role) {
		if !s.covers(action, resource) {
			continue
		}
		if s.effect == "Deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

// role returns a function's execution role.
func (v *View) role(function cfn.Resource) (cfn.Resource, bool) {
	return v.find(function.Properties["Role"], "AWS::IAM::Role")
}

// policyDocument is a policy anywhere in a resource.
type policyDocument struct {
	resource   string
	trust      bool // a trust policy
	statements []statement
}

// documents returns all policies of the template.
func (v *View) documents() []policyDocument {
	var out []policyDocument
	for _, r := range v.all() {
		visit(r.Properties, nil, func(_ []string, key string, value any) {
			switch key {
			case "PolicyDocument", "KeyPolicy", "Policy", "AssumeRolePolicyDocument":
				if at(value, "Statement") != nil {
					out = append(out, policyDocument{resource: r.ID, trust: key == "AssumeRolePolicyDocument", statements: statements(value)})
				}
			}
		})
	}
	return out
}

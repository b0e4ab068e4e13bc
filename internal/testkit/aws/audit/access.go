package audit

import (
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// statement is one statement of a policy.
type statement struct {
	effect             string
	principal          any
	actions, resources []string
	condition          any
}

// statements reads a policy document.
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

// covers says that a statement is about an action on a resource.
func (s statement) covers(action, resource string) bool {
	return slices.ContainsFunc(s.actions, func(p string) bool { return match(strings.ToLower(p), strings.ToLower(action)) }) &&
		slices.ContainsFunc(s.resources, func(p string) bool { return match(p, resource) })
}

// services are the service principals of a statement.
func (s statement) services() []string { return texts(at(s.principal, "Service")) }

// grants are the statements of a role: its own, those of policies that are
// resources of their own, and those of managed policies in the template.
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

// attached are the policies that name a role, instead of being named by it.
func (v *View) attached(role cfn.Resource) []cfn.Resource {
	name := v.physicalID(role)
	return slices.DeleteFunc(v.of("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy"), func(p cfn.Resource) bool {
		return !slices.Contains(append(texts(p.Properties["Roles"]), text(p.Properties["RoleName"])), name)
	})
}

// allows says that a role may do an action on a resource, going by policies
// alone.
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

// role is the role that a function runs with.
func (v *View) role(function cfn.Resource) (cfn.Resource, bool) {
	return v.find(function.Properties["Role"], "AWS::IAM::Role")
}

// policyDocument is a policy somewhere in a resource.
type policyDocument struct {
	resource   string
	trust      bool // says who may take a role
	statements []statement
}

// documents are all policies of the template.
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

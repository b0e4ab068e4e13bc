package fake

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

const iamNamespace = "https://iam.amazonaws.com/doc/2010-05-08/"

// serve handles calls for the roles that stacks created, including retained
// ones.
func (f iamAPI) serve(w http.ResponseWriter, r *request) {
	if r.call.Action == "SimulatePrincipalPolicy" {
		f.simulate(w, r)
		return
	}
	name := r.form.Get("RoleName")
	answer, known := map[string]func(*request, *physical) ([]wire.Node, error){
		"GetRole": f.getRole, "ListAttachedRolePolicies": f.listAttachedPolicies, "ListRolePolicies": f.listInlinePolicies,
		"DetachRolePolicy": f.detachPolicy, "DeleteRolePolicy": f.deleteInlinePolicy, "DeleteRole": f.deleteRole,
	}[r.call.Action]
	if !known {
		f.refuse(w, r, notThere(r))
		return
	}
	role, ok := f.registry.find("AWS::IAM::Role", name)
	r.call.Resource = "arn:aws:iam::" + f.options.Account + ":role/" + name
	if !ok {
		f.refuse(w, r, noSuchEntity("The role with name "+name+" cannot be found."))
		return
	}
	out, err := answer(r, role)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	wire.WriteQuery(w, iamNamespace, r.call.Action, out...)
}

// AddRole adds another team's role, which API Gateway may use.
func (f Surroundings) AddRole(name string) {
	f.registry.put(&physical{
		kind: "AWS::IAM::Role", id: name, props: map[string]any{"AssumeRolePolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{}}},
		attrs: map[string]any{"Arn": "arn:aws:iam::" + f.options.Account + ":role/" + name, "RoleId": "AROA" + name},
	})
}

// RemoveRole deletes a role outside its stack: whatever refers to it keeps a dead name.
func (f Surroundings) RemoveRole(name string) { f.registry.remove("AWS::IAM::Role", name) }

func noSuchEntity(message string) error {
	return &wire.Error{Status: http.StatusNotFound, Code: "NoSuchEntity", Message: message}
}

func (f iamAPI) getRole(_ *request, role *physical) ([]wire.Node, error) {
	trust, err := json.Marshal(role.props["AssumeRolePolicyDocument"])
	if err != nil {
		return nil, fmt.Errorf("marshal trust policy: %w", err)
	}
	path := str(role.props, "Path")
	if path == "" {
		path = "/"
	}
	nodes := []wire.Node{
		wire.Text("Path", path), wire.Text("RoleName", role.id), wire.Text("RoleId", fmt.Sprint(role.attrs["RoleId"])), wire.Text("Arn", fmt.Sprint(role.attrs["Arn"])),
		wire.Text("CreateDate", role.created.UTC().Format(time.RFC3339)), wire.Text("AssumeRolePolicyDocument", url.PathEscape(string(trust))),
		wire.Optional("Description", str(role.props, "Description")), wire.Text("MaxSessionDuration", "3600"),
	}
	if boundary := str(role.props, "PermissionsBoundary"); boundary != "" {
		nodes = append(nodes, wire.Group("PermissionsBoundary", wire.Text("PermissionsBoundaryType", "Policy"), wire.Text("PermissionsBoundaryArn", boundary)))
	}
	return []wire.Node{wire.Group("Role", nodes...)}, nil
}

// holder is a resource that attaches policies to a role, and its property.
type holder struct {
	resource *physical
	property string
}

// attachments returns a role's managed policies by ARN: its own list, and
// policies that list the role.
func (f iamAPI) attachments(role *physical) map[string]holder {
	out := map[string]holder{}
	for _, policy := range f.registry.list("AWS::IAM::ManagedPolicy") {
		if slices.Contains(items(policy.props, "Roles"), role.id) {
			out[policy.id] = holder{policy, "Roles"}
		}
	}
	for _, arn := range items(role.props, "ManagedPolicyArns") {
		out[arn] = holder{role, "ManagedPolicyArns"}
	}
	return out
}

// inline returns a role's inline policies by name: its own, and
// AWS::IAM::Policy.
func (f iamAPI) inline(role *physical) map[string]holder {
	out := map[string]holder{}
	for _, policy := range f.registry.list("AWS::IAM::Policy") {
		if slices.Contains(items(policy.props, "Roles"), role.id) {
			out[str(policy.props, "PolicyName")] = holder{policy, "Roles"}
		}
	}
	for _, policy := range children(role.props, "Policies") {
		out[str(policy, "PolicyName")] = holder{role, "Policies"}
	}
	return out
}

func (f iamAPI) listAttachedPolicies(_ *request, role *physical) ([]wire.Node, error) {
	arns := slices.Sorted(maps.Keys(f.attachments(role)))
	return []wire.Node{wire.List("AttachedPolicies", "member", arns, func(arn string) []wire.Node {
		return []wire.Node{wire.Text("PolicyName", arn[strings.LastIndexByte(arn, '/')+1:]), wire.Text("PolicyArn", arn)}
	}), wire.Bool("IsTruncated", false)}, nil
}

func (f iamAPI) listInlinePolicies(_ *request, role *physical) ([]wire.Node, error) {
	names := wire.Group("PolicyNames")
	for _, name := range slices.Sorted(maps.Keys(f.inline(role))) {
		names.Children = append(names.Children, wire.Text("member", name))
	}
	return []wire.Node{names, wire.Bool("IsTruncated", false)}, nil
}

func (f iamAPI) detachPolicy(r *request, role *physical) ([]wire.Node, error) {
	arn := r.form.Get("PolicyArn")
	from, ok := f.attachments(role)[arn]
	if !ok {
		return nil, noSuchEntity("Policy " + arn + " was not found.")
	}
	f.take(from, func(item any) bool { return item == arn || item == role.id })
	return nil, nil
}

func (f iamAPI) deleteInlinePolicy(r *request, role *physical) ([]wire.Node, error) {
	name := r.form.Get("PolicyName")
	from, ok := f.inline(role)[name]
	if !ok {
		return nil, noSuchEntity("The role policy with name " + name + " cannot be found.")
	}
	f.take(from, func(item any) bool {
		policy, _ := item.(map[string]any)
		return item == role.id || str(policy, "PolicyName") == name
	})
	return nil, nil
}

// take changes a resource outside its stack: it removes the items for which
// gone returns true from the property's list.
func (f iamAPI) take(from holder, gone func(item any) bool) {
	changed := *from.resource
	changed.props = maps.Clone(changed.props)
	list, _ := changed.props[from.property].([]any)
	changed.props[from.property] = slices.DeleteFunc(slices.Clone(list), gone)
	f.registry.put(&changed)
}

func (f iamAPI) deleteRole(_ *request, role *physical) ([]wire.Node, error) {
	conflict := func(message string) error {
		return &wire.Error{Status: http.StatusConflict, Code: "DeleteConflict", Message: message}
	}
	switch {
	case len(f.attachments(role)) > 0:
		return nil, conflict("Cannot delete entity, must detach all policies first.")
	case len(f.inline(role)) > 0:
		return nil, conflict("Cannot delete entity, must delete policies first.")
	}
	f.registry.remove(role.kind, role.id)
	return nil, nil
}

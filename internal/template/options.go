package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/iam"

	"github.com/streamctl/streamctl/internal/config"
)

// addRole adds a role, inside the permissions boundary if there is one.
func (t *Template) addRole(id string, role *iam.Role) {
	if t.boundary != "" {
		role.PermissionsBoundary = new(t.boundary)
	}
	t.add(id, role)
}

// addOptions adds the optional resources, which cost money or are another team's
// decision.
func (t *Template) addOptions(v config.Variables) {
	if v.WebAcl == config.WebAclNone && !v.FlowLogs && v.DomainName == "" {
		return
	}
	t.group("Options")
	if v.FlowLogs {
		t.addFlowLogs(v)
	}
	if v.WebAcl != config.WebAclNone {
		t.addWebACL(v)
	}
	if v.DomainName != "" {
		t.addDomain(v)
	}
}

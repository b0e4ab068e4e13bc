package cfn

import (
	"slices"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

func (st *stack) node() []wire.Node {
	nodes := []wire.Node{
		wire.Text("StackId", st.id), wire.Text("StackName", st.name), wire.Text("StackStatus", st.status),
		wire.Optional("StackStatusReason", st.reason), wire.Optional("Description", st.template.Description),
		stamp("CreationTime", st.created), stamp("LastUpdatedTime", st.updated), stamp("DeletionTime", st.deleted),
		wire.Bool("DisableRollback", st.onFailure == "DO_NOTHING"), wire.Bool("EnableTerminationProtection", st.protected),
		wire.Optional("RoleARN", st.roleARN), wire.Group("RollbackConfiguration"), wire.Group("NotificationARNs"),
		wire.Group("DriftInformation", wire.Text("StackDriftStatus", "NOT_CHECKED")),
		wire.List("Capabilities", "member", st.capabilities, textNode),
		parameterNodes(st.template, st.params),
		wire.List("Tags", "member", st.tags, tagNode),
	}
	if len(st.outputs) > 0 {
		nodes = append(nodes, wire.List("Outputs", "member", st.outputs, func(o outputValue) []wire.Node {
			return []wire.Node{
				wire.Text("OutputKey", o.key), wire.Text("OutputValue", o.value),
				wire.Optional("Description", o.description), wire.Optional("ExportName", o.export),
			}
		}))
	}
	return nodes
}

func tagNode(t Tag) []wire.Node {
	return []wire.Node{wire.Text("Key", t.Key), wire.Text("Value", t.Value)}
}

// parameterNodes hides the values of NoEcho parameters.
func parameterNodes(t *Template, params map[string]string) wire.Node {
	return wire.List("Parameters", "member", sortedKeys(params), func(id string) []wire.Node {
		value := params[id]
		if t.Parameters[id].NoEcho {
			value = "****"
		}
		return []wire.Node{wire.Text("ParameterKey", id), wire.Text("ParameterValue", value)}
	})
}

// listed returns the resources that the stack lists, by logical id; deleted
// ones come last.
func (st *stack) listed() []*instance {
	var out []*instance
	for _, id := range sortedKeys(st.resources) {
		if st.resources[id].status != "" {
			out = append(out, st.resources[id])
		}
	}
	return append(out, st.gone...)
}

func resourceNode(r *instance, at string) []wire.Node {
	return []wire.Node{
		wire.Text("LogicalResourceId", r.ID), wire.Optional("PhysicalResourceId", r.physicalID), wire.Text("ResourceType", r.Type),
		wire.Text("ResourceStatus", r.status), wire.Optional("ResourceStatusReason", r.reason), stamp(at, r.at),
		wire.Group("DriftInformation", wire.Text("StackResourceDriftStatus", "NOT_CHECKED")),
	}
}

func eventNode(st *stack, e Event) []wire.Node {
	return []wire.Node{
		wire.Text("StackId", st.id), wire.Text("StackName", st.name), wire.Text("EventId", e.ID),
		wire.Text("LogicalResourceId", e.LogicalID), wire.Text("PhysicalResourceId", e.PhysicalID), wire.Text("ResourceType", e.Type),
		stamp("Timestamp", e.At), wire.Text("ResourceStatus", e.Status), wire.Optional("ResourceStatusReason", e.Reason),
		wire.Optional("ResourceProperties", e.Properties), wire.Optional("ClientRequestToken", e.Token),
	}
}

func (c *changeSet) summary(st *stack) []wire.Node {
	status, execution := c.state()
	return []wire.Node{
		wire.Text("ChangeSetId", c.id), wire.Text("ChangeSetName", c.name), wire.Text("StackId", st.id), wire.Text("StackName", st.name),
		wire.Text("Status", status), wire.Text("ExecutionStatus", execution), wire.Optional("StatusReason", c.reason),
		wire.Optional("Description", c.description), stamp("CreationTime", c.created),
	}
}

func (s changeSets) describeChangeSet(f wire.Form) ([]wire.Node, error) {
	c, st, err := s.findChangeSet(f)
	if err != nil {
		return nil, err
	}
	nodes := append(c.summary(st), parameterNodes(c.template, c.params),
		wire.List("Tags", "member", c.tags, tagNode), wire.List("Capabilities", "member", c.capabilities, textNode))
	status, _ := c.state()
	if status != "CREATE_COMPLETE" {
		return append(nodes, wire.Group("Changes")), nil
	}
	withValues := f.Bool("IncludePropertyValues")
	changes, err := page("Changes", c.changes, f, func(ch change) string { return ch.resource.ID }, func(ch change) []wire.Node {
		return []wire.Node{wire.Text("Type", "Resource"), wire.Group("ResourceChange", ch.nodes(withValues, c.hide(st))...)}
	})
	return append(nodes, changes...), err
}

// hide returns a function that masks the old and the new values of NoEcho
// parameters.
func (c *changeSet) hide(st *stack) func(string) string {
	after := &stack{template: c.template, params: c.params}
	return func(text string) string { return after.masked(st.masked(text)) }
}

func (ch change) nodes(withValues bool, hide func(string) string) []wire.Node {
	nodes := []wire.Node{
		wire.Text("Action", ch.action), wire.Text("LogicalResourceId", ch.resource.ID),
		wire.Optional("PhysicalResourceId", ch.physicalID), wire.Text("ResourceType", ch.resource.Type),
		wire.Optional("PolicyAction", ch.policy),
	}
	if ch.action != "Modify" {
		return append(nodes, wire.Group("Scope"), wire.Group("Details"))
	}
	scope := slices.Clone(ch.scope)
	slices.Sort(scope)
	return append(nodes, wire.Text("Replacement", ch.replacement), wire.List("Scope", "member", scope, textNode),
		wire.List("Details", "member", ch.details, func(d detail) []wire.Node {
			target := []wire.Node{
				wire.Text("Attribute", d.attribute), wire.Optional("Name", d.name), wire.Text("RequiresRecreation", d.recreation),
			}
			if withValues && d.name != "" {
				target = append(target, wire.Text("Path", "/Properties/"+d.name),
					wire.Optional("BeforeValue", hide(text(d.before))), wire.Optional("AfterValue", hide(text(d.after))))
			}
			return []wire.Node{
				wire.Group("Target", target...), wire.Text("Evaluation", d.static),
				wire.Text("ChangeSource", d.source), wire.Optional("CausingEntity", d.entity),
			}
		}))
}

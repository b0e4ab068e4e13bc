package cfn

import (
	"context"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

const pageSize = 100

// read serves the read-only calls.
func (s api) read(ctx context.Context, action string, f wire.Form) ([]wire.Node, error) {
	const missing = "Stack with id %s does not exist"
	switch action {
	case "DescribeStacks":
		return s.describeStacks(f)
	case "DescribeStackEvents":
		return s.withStack(f, "Stack [%s] does not exist", func(st *stack) ([]wire.Node, error) {
			newest := slices.Clone(st.events)
			slices.Reverse(newest)
			return page("StackEvents", newest, f, func(e Event) string { return e.ID }, func(e Event) []wire.Node { return eventNode(st, e) })
		})
	case "DescribeEvents":
		return s.describeEvents(f)
	case "ListStacks":
		return s.listStacks(f)
	case "ListStackResources":
		return s.withStack(f, missing, func(st *stack) ([]wire.Node, error) {
			return page("StackResourceSummaries", st.listed(), f, func(r *instance) string { return r.ID },
				func(r *instance) []wire.Node { return resourceNode(r, "LastUpdatedTimestamp") })
		})
	case "DescribeStackResources":
		return s.withStack(f, missing, func(st *stack) ([]wire.Node, error) {
			all := st.listed()
			if id := f.Get("LogicalResourceId"); id != "" {
				all = slices.DeleteFunc(all, func(r *instance) bool { return r.ID != id })
			}
			return []wire.Node{wire.List("StackResources", "member", all[:min(len(all), pageSize)], func(r *instance) []wire.Node {
				return append(resourceNode(r, "Timestamp"), wire.Text("StackName", st.name), wire.Text("StackId", st.id))
			})}, nil
		})
	case "DescribeStackResource":
		return s.withStack(f, "Stack '%s' does not exist", func(st *stack) ([]wire.Node, error) {
			r, ok := st.resources[f.Get("LogicalResourceId")]
			if !ok {
				return nil, invalid("Resource %s does not exist for stack %s", f.Get("LogicalResourceId"), st.name)
			}
			return []wire.Node{wire.Group("StackResourceDetail", append(resourceNode(r, "LastUpdatedTimestamp"),
				wire.Text("StackName", st.name), wire.Text("StackId", st.id))...)}, nil
		})
	case "GetTemplate":
		return s.withStack(f, missing, func(st *stack) ([]wire.Node, error) {
			return []wire.Node{wire.Text("TemplateBody", st.template.Body), wire.List("StagesAvailable", "member", []string{"Original", "Processed"}, textNode)}, nil
		})
	case "GetTemplateSummary", "ValidateTemplate":
		return s.summarize(ctx, action, f)
	case "DescribeChangeSet":
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.changeSets.describeChangeSet(f)
	case "ListChangeSets":
		return s.withStack(f, "Stack [%s] does not exist", func(st *stack) ([]wire.Node, error) {
			return []wire.Node{wire.List("Summaries", "member", st.changeSets, func(c *changeSet) []wire.Node { return c.summary(st) })}, nil
		})
	}
	return nil, notSupported(action)
}

// page returns up to a hundred items from NextToken on.
func page[T any](name string, items []T, f wire.Form, id func(T) string, each func(T) []wire.Node) ([]wire.Node, error) {
	start := 0
	if token := f.Get("NextToken"); token != "" {
		start = slices.IndexFunc(items, func(item T) bool { return id(item) == token })
		if start < 0 {
			return nil, invalid("NextToken is invalid")
		}
	}
	end := min(start+pageSize, len(items))
	nodes := []wire.Node{wire.List(name, "member", items[start:end], each)}
	if end < len(items) {
		nodes = append(nodes, wire.Text("NextToken", id(items[end])))
	}
	return nodes, nil
}

func (s api) describeStacks(f wire.Form) ([]wire.Node, error) {
	if f.Get("StackName") != "" {
		return s.withStack(f, "Stack with id %s does not exist", func(st *stack) ([]wire.Node, error) {
			return []wire.Node{wire.List("Stacks", "member", []*stack{st}, (*stack).node)}, nil
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	living := slices.DeleteFunc(slices.Clone(s.stacks), func(st *stack) bool { return st.status == "DELETE_COMPLETE" })
	return page("Stacks", living, f, func(st *stack) string { return st.id }, (*stack).node)
}

func (s api) listStacks(f wire.Form) ([]wire.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	filter := f.List("StackStatusFilter")
	all := slices.DeleteFunc(slices.Clone(s.stacks), func(st *stack) bool {
		return len(filter) > 0 && !slices.Contains(filter, st.status)
	})
	slices.Reverse(all)
	return page("StackSummaries", all, f, func(st *stack) string { return st.id }, func(st *stack) []wire.Node {
		return []wire.Node{
			wire.Text("StackId", st.id), wire.Text("StackName", st.name), wire.Text("StackStatus", st.status),
			wire.Optional("StackStatusReason", st.reason), wire.Optional("TemplateDescription", st.template.Description),
			stamp("CreationTime", st.created), stamp("LastUpdatedTime", st.updated), stamp("DeletionTime", st.deleted),
		}
	})
}

func (s api) summarize(ctx context.Context, action string, f wire.Form) ([]wire.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.find(f.Get("StackName"))
	if st == nil && f.Get("StackName") != "" {
		return nil, invalid("Stack with id %s does not exist", f.Get("StackName"))
	}
	t := &Template{}
	if st != nil {
		t = st.template
	} else {
		body, err := s.body(ctx, f, nil)
		if err != nil {
			return nil, err
		}
		if t, err = Parse(body, s.provider); err != nil {
			return nil, err
		}
	}
	params := wire.List("Parameters", "member", sortedKeys(t.Parameters), func(id string) []wire.Node {
		p := t.Parameters[id]
		nodes := []wire.Node{wire.Text("ParameterKey", id), wire.Bool("NoEcho", p.NoEcho), wire.Optional("Description", p.Description)}
		if p.Default != nil {
			nodes = append(nodes, wire.Text("DefaultValue", *p.Default))
		}
		if action == "GetTemplateSummary" {
			nodes = append(nodes, wire.Text("ParameterType", p.Type))
			if len(p.AllowedValues) > 0 {
				nodes = append(nodes, wire.Group("ParameterConstraints", wire.List("AllowedValues", "member", p.AllowedValues, textNode)))
			}
		}
		return nodes
	})
	nodes := []wire.Node{params, wire.Optional("Description", t.Description)}
	if need := t.needed(s.provider); len(need) > 0 {
		nodes = append(nodes, wire.List("Capabilities", "member", need, textNode),
			wire.Text("CapabilitiesReason", "The following resource(s) require capabilities: [AWS::IAM::Role]"))
	}
	if action == "GetTemplateSummary" {
		types := map[string]bool{}
		for _, r := range t.Resources {
			types[r.Type] = true
		}
		nodes = append(nodes, wire.List("ResourceTypes", "member", sortedKeys(types), textNode), wire.Text("Version", "2010-09-09"))
	}
	return nodes, nil
}

// textNode is a member that is a plain string.
func textNode(s string) []wire.Node { return []wire.Node{{Text: s}} }

// stamp returns a time, or nothing if it is zero.
func stamp(name string, t time.Time) wire.Node {
	if t.IsZero() {
		return wire.Node{}
	}
	return wire.Text(name, t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

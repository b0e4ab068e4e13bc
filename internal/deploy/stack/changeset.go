package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/pause"
)

// Change is a change of one resource by an update.
type Change struct {
	// Action is Add, Modify, Remove, Import or Dynamic.
	Action    string `json:"action"`
	LogicalID string `json:"logicalId"`
	Type      string `json:"type"`
	// Replacement is True, False or Conditional, and empty if the resource is not
	// modified.
	Replacement string `json:"replacement,omitempty"`
	// Properties are those that change.
	Properties []Property `json:"properties,omitempty"`
}

// Property is a property of a resource that changes.
type Property struct {
	// Name is the name of the property, or of an attribute: Tags, Metadata.
	Name string `json:"name"`
	// Recreate is Never, Conditionally or Always.
	Recreate string `json:"requiresRecreation,omitempty"`
	// Before and After are the values that CloudFormation reports: asterisks for a
	// secret, empty if it reports none.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// LosesData reports whether the change replaces or deletes a stateful resource. A
// conditional replacement counts: it is unknown before it happens.
func (c Change) LosesData(statefulTypes []string) bool {
	return slices.Contains(statefulTypes, c.Type) && (c.Action == "Remove" || c.Replacement == "True" || c.Replacement == "Conditional")
}

func (c Change) String() string {
	text := fmt.Sprintf("%s %s (%s)", c.Action, c.LogicalID, c.Type)
	if c.Replacement == "True" || c.Replacement == "Conditional" {
		text += ", replacement: " + c.Replacement
	}
	for _, p := range c.Properties {
		text += "\n      " + p.String()
	}
	return text
}

func (p Property) String() string {
	text := p.Name
	if p.Before != "" || p.After != "" {
		text += ": " + shorten(p.Before) + " → " + shorten(p.After)
	}
	if p.Recreate == "Always" || p.Recreate == "Conditionally" {
		text += " (recreates: " + strings.ToLower(p.Recreate) + ")"
	}
	return text
}

// shorten bounds a value, which may be a whole document.
func shorten(value string) string {
	const most = 80
	value = strings.Join(strings.Fields(value), " ")
	if runes := []rune(value); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	if value == "" {
		return "(none)"
	}
	return value
}

// ChangeSet is a change set that is ready to be executed.
type ChangeSet struct {
	ID      string
	Changes []Change
}

// Prepare creates a change set and waits until CloudFormation has computed it.
// If the update would change nothing, the change set is deleted, and the result
// is nil.
func (c *Client) Prepare(ctx context.Context, spec Spec, s Stack) (*ChangeSet, error) {
	body, url, err := c.templateArgument(ctx, spec.Template)
	if err != nil {
		return nil, err
	}
	token := c.Token()
	name := changeSetPrefix + token
	created, err := c.API.CreateChangeSet(ctx, &cfn.CreateChangeSetInput{
		StackName: &s.ID, ChangeSetName: &name, ChangeSetType: types.ChangeSetTypeUpdate,
		TemplateBody: body, TemplateURL: url, Parameters: parameters(spec), Tags: tags(spec.Tags),
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		ClientToken:  &token,
	})
	if err != nil {
		return nil, fmt.Errorf("compute the changes of stack %s: %w", s.Name, err)
	}
	id := aws.ToString(created.Id)
	for {
		set, err := describeChangeSet(ctx, c.API, id)
		if err != nil {
			return nil, err
		}
		switch set.status {
		case types.ChangeSetStatusCreateComplete:
			reportWarnings(ctx, c, id)
			return &ChangeSet{ID: id, Changes: set.changes}, nil
		case types.ChangeSetStatusFailed:
			unchanged := noChanges.MatchString(set.reason)
			var causes []Event
			if !unchanged { // the findings are deleted with the set
				causes = changeSetCauses(ctx, c.API, id, Event{LogicalID: name, Type: "change set", Status: string(set.status), Reason: set.reason})
			}
			if err := c.Discard(ctx, id); err != nil || unchanged {
				return nil, err
			}
			return nil, &FailedError{Op: "compute the changes of", Stack: s.Name, Status: string(s.Status), Causes: causes}
		}
		if err := pause.For(ctx, c.Poll); err != nil {
			return nil, fmt.Errorf("compute the changes of stack %s: %w", s.Name, err)
		}
	}
}

// changeSetPrefix begins the name of every change set of this program. The
// deployer's policy contains it.
const changeSetPrefix = "streamctl-"

type describedChangeSet struct {
	status  types.ChangeSetStatus
	reason  string
	changes []Change
}

func describeChangeSet(ctx context.Context, api changeSetAPI, id string) (describedChangeSet, error) {
	var out describedChangeSet
	pages := Limit("changes", cfn.NewDescribeChangeSetPaginator(api, &cfn.DescribeChangeSetInput{ChangeSetName: &id, IncludePropertyValues: aws.Bool(true)}))
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return out, fmt.Errorf("read change set %s: %w", id, err)
		}
		out.status, out.reason = page.Status, aws.ToString(page.StatusReason)
		for _, r := range page.Changes {
			if r.ResourceChange != nil {
				out.changes = append(out.changes, newChange(r.ResourceChange))
			}
		}
	}
	return out, nil
}

func newChange(c *types.ResourceChange) Change {
	out := Change{
		Action: string(c.Action), LogicalID: aws.ToString(c.LogicalResourceId),
		Type: aws.ToString(c.ResourceType), Replacement: string(c.Replacement),
	}
	for _, d := range c.Details {
		if d.Target == nil {
			continue
		}
		p := Property{
			Name: aws.ToString(d.Target.Name), Recreate: string(d.Target.RequiresRecreation),
			Before: aws.ToString(d.Target.BeforeValue), After: aws.ToString(d.Target.AfterValue),
		}
		if p.Name == "" {
			p.Name = string(d.Target.Attribute)
		}
		if secret(p.Name) && p.Before+p.After != "" {
			p.Before, p.After = "****", "****"
		}
		// CloudFormation lists a property once per reason for its change.
		if !slices.ContainsFunc(out.Properties, func(q Property) bool { return q.Name == p.Name }) {
			out.Properties = append(out.Properties, p)
		}
	}
	return out
}

// Discard deletes a change set that will not be executed. CloudFormation limits
// their number per stack.
func (c *Client) Discard(ctx context.Context, id string) error {
	if _, err := c.API.DeleteChangeSet(ctx, &cfn.DeleteChangeSetInput{ChangeSetName: &id}); err != nil {
		return fmt.Errorf("delete change set %s: %w", id, err)
	}
	return nil
}

package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/pause"
)

// Change is what an update would do to one resource.
type Change struct {
	// Action is Add, Modify, Remove, Import or Dynamic.
	Action    string `json:"action"`
	LogicalID string `json:"logicalId"`
	Type      string `json:"type"`
	// Replacement is True, False or Conditional, and empty where it isn't
	// modified.
	Replacement string `json:"replacement,omitempty"`
	// Properties are what changes.
	Properties []Property `json:"properties,omitempty"`
}

// Property is a part of a resource that changes.
type Property struct {
	// Name is the property's, or the attribute's: Tags, Metadata.
	Name string `json:"name"`
	// Recreate is Never, Conditionally or Always.
	Recreate string `json:"requiresRecreation,omitempty"`
	// Before and After are the values as CloudFormation tells them, a secret
	// one's asterisks; both are empty where it doesn't.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// holdsData are the types whose loss is a loss of data.
var holdsData = []string{
	"AWS::Kinesis::Stream", "AWS::RDS::DBInstance", "AWS::ElastiCache::ReplicationGroup", "AWS::S3::Bucket", "AWS::KMS::Key",
}

// HoldsData gives the types of resources whose loss is a loss of data.
func HoldsData() []string { return slices.Clone(holdsData) }

// KeepData is a stack policy that lets no update replace or delete the resources
// of these logical ids.
func KeepData(logicalIDs []string) (string, error) {
	type statement struct {
		Effect, Principal string
		Action, Resource  []string
	}
	deny := statement{Effect: "Deny", Principal: "*", Action: []string{"Update:Replace", "Update:Delete"}}
	for _, id := range logicalIDs {
		deny.Resource = append(deny.Resource, "LogicalResourceId/"+id)
	}
	policy := struct{ Statement []statement }{[]statement{{Effect: "Allow", Principal: "*", Action: []string{"Update:*"}, Resource: []string{"*"}}}}
	if len(logicalIDs) > 0 {
		policy.Statement = append(policy.Statement, deny)
	}
	text, err := json.Marshal(policy)
	if err != nil {
		return "", fmt.Errorf("write stack policy: %w", err)
	}
	return string(text), nil
}

// LosesData says that the change replaces or deletes something that holds
// data. A conditional replacement counts: nobody knows before it happens.
func (c Change) LosesData() bool {
	return slices.Contains(holdsData, c.Type) && (c.Action == "Remove" || c.Replacement == "True" || c.Replacement == "Conditional")
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

// changeSet is a change set that is ready to be executed.
type changeSet struct {
	id      string
	changes []Change
}

// prepare makes a change set and waits until CloudFormation has worked it out.
// Where nothing would change it is deleted again, and the result is nil.
func (o *Operator) prepare(ctx context.Context, r Request, stack Stack) (*changeSet, error) {
	body, url, err := o.templateArgument(ctx, r)
	if err != nil {
		return nil, err
	}
	token := o.Token()
	name := "streamctl-" + token
	created, err := o.Stacks.CreateChangeSet(ctx, &cfn.CreateChangeSetInput{
		StackName: &stack.ID, ChangeSetName: &name, ChangeSetType: types.ChangeSetTypeUpdate,
		TemplateBody: body, TemplateURL: url, Parameters: parameters(r), Tags: tags(r.Tags),
		Capabilities: []types.Capability{types.CapabilityCapabilityNamedIam},
		ClientToken:  &token,
	})
	if err != nil {
		return nil, fmt.Errorf("work out changes of %s: %w", r.Stack, err)
	}
	id := aws.ToString(created.Id)
	for {
		set, err := o.describeChangeSet(ctx, id)
		if err != nil {
			return nil, err
		}
		switch set.status {
		case types.ChangeSetStatusCreateComplete:
			return &changeSet{id: id, changes: set.changes}, nil
		case types.ChangeSetStatusFailed:
			if err := o.discard(ctx, id); err != nil {
				return nil, err
			}
			if noChanges.MatchString(set.reason) {
				return nil, nil
			}
			return nil, &FailedError{Op: "work out the changes of", Stack: r.Stack, Status: string(stack.Status), Causes: []Event{
				{LogicalID: name, Type: "change set", Status: string(set.status), Reason: set.reason},
			}}
		}
		if err := pause.For(ctx, o.Poll); err != nil {
			return nil, fmt.Errorf("work out changes of %s: %w", r.Stack, err)
		}
	}
}

type describedChangeSet struct {
	status  types.ChangeSetStatus
	reason  string
	changes []Change
}

func (o *Operator) describeChangeSet(ctx context.Context, id string) (describedChangeSet, error) {
	var out describedChangeSet
	pages := cfn.NewDescribeChangeSetPaginator(o.Stacks, &cfn.DescribeChangeSetInput{ChangeSetName: &id, IncludePropertyValues: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return out, fmt.Errorf("read change set %s: %w", id, err)
		}
		out.status, out.reason = page.Status, aws.ToString(page.StatusReason)
		for _, c := range page.Changes {
			if c.ResourceChange != nil {
				out.changes = append(out.changes, change(c.ResourceChange))
			}
		}
	}
	return out, nil
}

func change(c *types.ResourceChange) Change {
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
		// A property is named once for each reason that it changes for.
		if !slices.ContainsFunc(out.Properties, func(q Property) bool { return q.Name == p.Name }) {
			out.Properties = append(out.Properties, p)
		}
	}
	return out
}

// discard deletes a change set that nobody will execute; a stack may have only
// so many.
func (o *Operator) discard(ctx context.Context, id string) error {
	if _, err := o.Stacks.DeleteChangeSet(ctx, &cfn.DeleteChangeSetInput{ChangeSetName: &id}); err != nil {
		return fmt.Errorf("delete change set %s: %w", id, err)
	}
	return nil
}

// Preview says what an update would do, and changes nothing: the change set is
// deleted again. None is an update that isn't one.
func (o *Operator) Preview(ctx context.Context, r Request, stack Stack) (changes []Change, err error) {
	set, err := o.prepare(ctx, r, stack)
	if err != nil || set == nil {
		return nil, err
	}
	return set.changes, o.discard(context.WithoutCancel(ctx), set.id)
}

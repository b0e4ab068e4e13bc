// Package stack works on one CloudFormation stack: it reads it, creates, updates
// and deletes it, follows an operation to its end, and explains why one failed.
// It does not know what the stack's resources are.
package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Client makes the calls on stacks of one account and region.
type Client struct {
	Session
	API API
	// PollAPI makes the calls that follow an operation, and should not retry after
	// a network error: the caller does. Nil is API.
	PollAPI API
	// Token returns the end of a request token, different in each call.
	Token func() string
	// StatefulTypes are the resource types whose loss is a loss of data.
	StatefulTypes []string
	// UploadTemplate stores a template that is too large for a request, and
	// returns its URL.
	UploadTemplate func(ctx context.Context, body []byte) (url string, err error)
	// FailureLog returns the last log lines of the function behind a custom
	// resource that failed in an operation that began at the given time. Nil
	// returns none.
	FailureLog func(ctx context.Context, e Event, began time.Time) []string
	// Interrupted is called once, when the context ends while an operation runs in AWS
	// ("create", "update", "delete" or another "operation"). It decides whether to
	// cancel it, and returns the context whose end stops following it. Nil stops
	// following it immediately.
	Interrupted func(ctx context.Context, op string) (cancel bool, until context.Context)
}

// Describe reads a stack by name or by id. The error for a missing stack is
// ErrNotFound. By id, a deleted stack is still found.
func (c *Client) Describe(ctx context.Context, nameOrID string) (Stack, error) {
	out, err := c.API.DescribeStacks(ctx, &cfn.DescribeStacksInput{StackName: &nameOrID})
	if isStackMissing(err) || err == nil && len(out.Stacks) == 0 {
		return Stack{}, &NotFoundError{Stack: nameOrID, Caller: c.Caller}
	}
	if err != nil {
		return Stack{}, fmt.Errorf("describe stack %s: %w", nameOrID, err)
	}
	return newStack(out.Stacks[0]), nil
}

// Template reads the template that a stack was last deployed with, as it was
// sent.
func (c *Client) Template(ctx context.Context, s Stack) ([]byte, error) {
	out, err := c.API.GetTemplate(ctx, &cfn.GetTemplateInput{StackName: &s.ID, TemplateStage: types.TemplateStageOriginal})
	if err != nil {
		return nil, fmt.Errorf("read template of stack %s: %w", s.Name, err)
	}
	return []byte(aws.ToString(out.TemplateBody)), nil
}

// Resources lists all of a stack's resources. DescribeStackResources would stop
// at a hundred.
func (c *Client) Resources(ctx context.Context, id string) ([]Resource, error) {
	var out []Resource
	pages := Limit("resources", cfn.NewListStackResourcesPaginator(c.API, &cfn.ListStackResourcesInput{StackName: &id}))
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list resources of stack %s: %w", id, err)
		}
		for _, r := range page.StackResourceSummaries {
			out = append(out, Resource{
				LogicalID:  aws.ToString(r.LogicalResourceId),
				PhysicalID: aws.ToString(r.PhysicalResourceId),
				Type:       aws.ToString(r.ResourceType),
				Status:     string(r.ResourceStatus),
				Reason:     aws.ToString(r.ResourceStatusReason),
			})
		}
	}
	return out, nil
}

// Holdings lists the resources that a stack still owns, without custom
// resources.
func (c *Client) Holdings(ctx context.Context, s Stack) ([]Resource, error) {
	all, err := c.Resources(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r Resource) bool { return !r.Exists() || strings.HasPrefix(r.Type, "Custom::") }), nil
}

// PhysicalID finds one resource of a stack.
func (c *Client) PhysicalID(ctx context.Context, s Stack, logicalID string) (string, error) {
	out, err := c.API.DescribeStackResource(ctx, &cfn.DescribeStackResourceInput{StackName: &s.ID, LogicalResourceId: &logicalID})
	if err != nil {
		return "", fmt.Errorf("find %s in stack %s: %w", logicalID, s.Name, err)
	}
	return aws.ToString(out.StackResourceDetail.PhysicalResourceId), nil
}

// ParameterValues returns the value of every parameter of every stack in the
// account and region.
func (c *Client) ParameterValues(ctx context.Context) (map[string]bool, error) {
	used := map[string]bool{}
	pages := Limit("stacks", cfn.NewDescribeStacksPaginator(c.API, &cfn.DescribeStacksInput{}))
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list stacks: %w", err)
		}
		for _, s := range page.Stacks {
			for _, p := range s.Parameters {
				used[aws.ToString(p.ParameterValue)] = true
			}
		}
	}
	return used, nil
}

// Protect sets a stack's termination protection if it differs, by the stack's id, so that
// a later stack of the same name keeps its own.
func (c *Client) Protect(ctx context.Context, s Stack, protected bool) (changed bool, err error) {
	if s.Protected == protected {
		return false, nil
	}
	c.Step("Setting termination protection to %t", protected)
	_, err = c.API.UpdateTerminationProtection(ctx, &cfn.UpdateTerminationProtectionInput{StackName: &s.ID, EnableTerminationProtection: &protected})
	if err != nil {
		return false, fmt.Errorf("set termination protection of stack %s: %w", s.Name, err)
	}
	return true, nil
}

// templateArgument is the template as a call takes it: the body, or, above
// CloudFormation's limit, the URL of an object with it.
func (c *Client) templateArgument(ctx context.Context, body []byte) (text, url *string, err error) {
	if len(body) <= maxBody {
		return aws.String(string(body)), nil, nil
	}
	location, err := c.UploadTemplate(ctx, body)
	if err != nil {
		return nil, nil, err
	}
	return nil, &location, nil
}

// maxBody is CloudFormation's limit for a template in the request itself, in
// bytes.
const maxBody = 51200

package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"gopkg.in/yaml.v3"
)

// Status is a stack's status as CloudFormation names it.
type Status string

// Statuses that this package asks for by name.
const (
	StatusReview           Status = "REVIEW_IN_PROGRESS"
	StatusRollbackComplete Status = "ROLLBACK_COMPLETE"
	StatusRollbackFailed   Status = "ROLLBACK_FAILED"
	StatusCreateFailed     Status = "CREATE_FAILED"
	StatusDeleteComplete   Status = "DELETE_COMPLETE"
	StatusDeleteFailed     Status = "DELETE_FAILED"
	StatusUpdateRbFailed   Status = "UPDATE_ROLLBACK_FAILED"
)

// Busy says that an operation is running.
func (s Status) Busy() bool {
	return strings.HasSuffix(string(s), "_IN_PROGRESS") && s != StatusReview
}

// Updatable says that an update may begin.
func (s Status) Updatable() bool {
	return slices.Contains([]Status{"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}, s)
}

// Stack is a stack as it is now.
type Stack struct {
	Name    string            `json:"name"`
	ID      string            `json:"id"`
	Status  Status            `json:"status"`
	Reason  string            `json:"reason,omitempty"`
	Created time.Time         `json:"created"`
	Updated time.Time         `json:"updated,omitzero"`
	Outputs map[string]string `json:"outputs,omitempty"`
	// Parameters are the stack's; a secret one is asterisks.
	Parameters map[string]string `json:"parameters,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Protected  bool              `json:"terminationProtection"`
}

// Since is when the last operation began.
func (s Stack) Since() time.Time {
	if s.Updated.After(s.Created) {
		return s.Updated
	}
	return s.Created
}

// Describe reads a stack by name or by id. Without one the error is
// ErrNotFound; by id a deleted stack is still found.
func (o *Operator) Describe(ctx context.Context, nameOrID string) (Stack, error) {
	out, err := o.Stacks.DescribeStacks(ctx, &cfn.DescribeStacksInput{StackName: &nameOrID})
	if isStackMissing(err) || err == nil && len(out.Stacks) == 0 {
		return Stack{}, fmt.Errorf("%w: %s in account %s, %s", ErrNotFound, nameOrID, o.Caller.Account, o.Caller.Region)
	}
	if err != nil {
		return Stack{}, fmt.Errorf("describe stack %s: %w", nameOrID, err)
	}
	s := out.Stacks[0]
	stack := Stack{
		Name:       aws.ToString(s.StackName),
		ID:         aws.ToString(s.StackId),
		Status:     Status(s.StackStatus),
		Reason:     aws.ToString(s.StackStatusReason),
		Created:    aws.ToTime(s.CreationTime),
		Updated:    aws.ToTime(s.LastUpdatedTime),
		Outputs:    map[string]string{},
		Parameters: map[string]string{},
		Tags:       map[string]string{},
		Protected:  aws.ToBool(s.EnableTerminationProtection),
	}
	for _, v := range s.Outputs {
		stack.Outputs[aws.ToString(v.OutputKey)] = aws.ToString(v.OutputValue)
	}
	for _, p := range s.Parameters {
		stack.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, t := range s.Tags {
		stack.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return stack, nil
}

// template reads the template that a stack was last deployed with, as it was
// sent.
func (o *Operator) template(ctx context.Context, stack Stack) ([]byte, error) {
	out, err := o.Stacks.GetTemplate(ctx, &cfn.GetTemplateInput{StackName: &stack.ID, TemplateStage: types.TemplateStageOriginal})
	if err != nil {
		return nil, fmt.Errorf("read template of %s: %w", stack.Name, err)
	}
	return []byte(aws.ToString(out.TemplateBody)), nil
}

// declaration is what a template says of a resource.
type declaration struct {
	Type           string         `yaml:"Type"`
	DeletionPolicy string         `yaml:"DeletionPolicy"`
	Properties     map[string]any `yaml:"Properties"`
}

// declarations are those of a template, by logical id.
func declarations(body []byte) (map[string]declaration, error) {
	var template struct {
		Resources map[string]declaration `yaml:"Resources"`
	}
	err := yaml.Unmarshal(body, &template)
	return template.Resources, err
}

// Resource is a resource of a stack.
type Resource struct {
	LogicalID  string `json:"logicalId"`
	PhysicalID string `json:"physicalId,omitempty"`
	Type       string `json:"type"`
	Status     string `json:"status"`
	Reason     string `json:"reason,omitempty"`
}

// Resources lists all of a stack's resources; the describe call would stop at
// a hundred.
func (o *Operator) Resources(ctx context.Context, id string) ([]Resource, error) {
	var out []Resource
	pages := cfn.NewListStackResourcesPaginator(o.Stacks, &cfn.ListStackResourcesInput{StackName: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list resources of %s: %w", id, err)
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

// deployment finds the API Gateway deployment that a template has the stage
// serve; empty where it has none.
func (o *Operator) deployment(ctx context.Context, current Current) (id string, err error) {
	declared, err := declarations(current.Template)
	if err != nil {
		return "", fmt.Errorf("read template of %s: %w", current.Stack.Name, err)
	}
	for logicalID, d := range declared {
		if d.Type != typeDeployment {
			continue
		}
		return o.physicalID(ctx, current.Stack, logicalID)
	}
	return "", nil
}

// physicalID finds one resource of a stack.
func (o *Operator) physicalID(ctx context.Context, stack Stack, logicalID string) (string, error) {
	out, err := o.Stacks.DescribeStackResource(ctx, &cfn.DescribeStackResourceInput{StackName: &stack.ID, LogicalResourceId: &logicalID})
	if err != nil {
		return "", fmt.Errorf("look for %s in stack %s: %w", logicalID, stack.Name, err)
	}
	return aws.ToString(out.StackResourceDetail.PhysicalResourceId), nil
}

// everOf are the resources of a type that a stack has or had.
func everOf(resources []Resource, kind string) []Resource {
	return slices.DeleteFunc(slices.Clone(resources), func(r Resource) bool { return r.Type != kind || r.PhysicalID == "" })
}

func byType(resources []Resource, kind string) []Resource {
	return slices.DeleteFunc(slices.Clone(resources), func(r Resource) bool {
		return r.Type != kind || r.PhysicalID == "" || r.Status == string(types.ResourceStatusDeleteComplete) || r.Status == skipped
	})
}

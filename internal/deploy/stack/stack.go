package stack

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Stack is a stack at the time when it was read.
type Stack struct {
	Name    string            `json:"name"`
	ID      string            `json:"id"`
	Status  Status            `json:"status"`
	Reason  string            `json:"reason,omitempty"`
	Created time.Time         `json:"created"`
	Updated time.Time         `json:"updated,omitzero"`
	Outputs map[string]string `json:"outputs,omitempty"`
	// Parameters are the stack's. The value of a secret one is asterisks.
	Parameters map[string]string `json:"parameters,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Protected  bool              `json:"terminationProtection"`
}

func newStack(s types.Stack) Stack {
	out := Stack{
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
		out.Outputs[aws.ToString(v.OutputKey)] = aws.ToString(v.OutputValue)
	}
	for _, p := range s.Parameters {
		out.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, t := range s.Tags {
		out.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// Since is the start of the last operation.
func (s Stack) Since() time.Time {
	if s.Updated.After(s.Created) {
		return s.Updated
	}
	return s.Created
}

// Resource is a resource of a stack.
type Resource struct {
	LogicalID  string `json:"logicalId"`
	PhysicalID string `json:"physicalId,omitempty"`
	Type       string `json:"type"`
	Status     string `json:"status"`
	Reason     string `json:"reason,omitempty"`
}

// StatusSkipped is the status of a resource that a delete skipped because the
// template retains it.
const StatusSkipped = "DELETE_SKIPPED"

// Exists reports whether the stack still owns the resource.
func (r Resource) Exists() bool {
	return r.PhysicalID != "" && r.Status != string(types.ResourceStatusDeleteComplete) && r.Status != StatusSkipped
}

// OfType returns the resources of a type that a stack has.
func OfType(resources []Resource, kind string) []Resource {
	return slices.DeleteFunc(slices.Clone(resources), func(r Resource) bool { return r.Type != kind || !r.Exists() })
}

// EverOfType returns the resources of a type that a stack has or had.
func EverOfType(resources []Resource, kind string) []Resource {
	return slices.DeleteFunc(slices.Clone(resources), func(r Resource) bool { return r.Type != kind || r.PhysicalID == "" })
}

// Types returns the types of the resources that a stack has or had, by logical id.
func Types(resources []Resource) map[string]string {
	out := map[string]string{}
	for _, r := range resources {
		if r.PhysicalID != "" {
			out[r.LogicalID] = r.Type
		}
	}
	return out
}

// Status is a stack's status, as CloudFormation names it.
type Status string

// Statuses that this program asks for by name.
const (
	StatusCreating         Status = "CREATE_IN_PROGRESS"
	StatusCreated          Status = "CREATE_COMPLETE"
	StatusReview           Status = "REVIEW_IN_PROGRESS"
	StatusRollingBack      Status = "ROLLBACK_IN_PROGRESS"
	StatusRollbackComplete Status = "ROLLBACK_COMPLETE"
	StatusRollbackFailed   Status = "ROLLBACK_FAILED"
	StatusCreateFailed     Status = "CREATE_FAILED"
	StatusUpdated          Status = "UPDATE_COMPLETE"
	StatusUpdateRolledBack Status = "UPDATE_ROLLBACK_COMPLETE"
	StatusUpdateRbFailed   Status = "UPDATE_ROLLBACK_FAILED"
	StatusDeleting         Status = "DELETE_IN_PROGRESS"
	StatusDeleteComplete   Status = "DELETE_COMPLETE"
	StatusDeleteFailed     Status = "DELETE_FAILED"
)

// Busy reports whether an operation is running.
func (s Status) Busy() bool {
	return strings.HasSuffix(string(s), "_IN_PROGRESS") && s != StatusReview
}

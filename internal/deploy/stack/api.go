package stack

import (
	"context"

	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// API is the calls that this package makes; *cloudformation.Client satisfies it.
type API interface {
	readAPI
	changeSetAPI
	operationAPI
	settingAPI
}

// readAPI reads a stack.
type readAPI interface {
	DescribeStacks(context.Context, *cfn.DescribeStacksInput, ...func(*cfn.Options)) (*cfn.DescribeStacksOutput, error)
	DescribeStackEvents(context.Context, *cfn.DescribeStackEventsInput, ...func(*cfn.Options)) (*cfn.DescribeStackEventsOutput, error)
	DescribeEvents(context.Context, *cfn.DescribeEventsInput, ...func(*cfn.Options)) (*cfn.DescribeEventsOutput, error)
	DescribeStackResource(context.Context, *cfn.DescribeStackResourceInput, ...func(*cfn.Options)) (*cfn.DescribeStackResourceOutput, error)
	ListStackResources(context.Context, *cfn.ListStackResourcesInput, ...func(*cfn.Options)) (*cfn.ListStackResourcesOutput, error)
	GetTemplate(context.Context, *cfn.GetTemplateInput, ...func(*cfn.Options)) (*cfn.GetTemplateOutput, error)
}

// changeSetAPI makes and executes change sets.
type changeSetAPI interface {
	CreateChangeSet(context.Context, *cfn.CreateChangeSetInput, ...func(*cfn.Options)) (*cfn.CreateChangeSetOutput, error)
	DescribeChangeSet(context.Context, *cfn.DescribeChangeSetInput, ...func(*cfn.Options)) (*cfn.DescribeChangeSetOutput, error)
	ExecuteChangeSet(context.Context, *cfn.ExecuteChangeSetInput, ...func(*cfn.Options)) (*cfn.ExecuteChangeSetOutput, error)
	DeleteChangeSet(context.Context, *cfn.DeleteChangeSetInput, ...func(*cfn.Options)) (*cfn.DeleteChangeSetOutput, error)
}

// operationAPI begins and cancels operations.
type operationAPI interface {
	CreateStack(context.Context, *cfn.CreateStackInput, ...func(*cfn.Options)) (*cfn.CreateStackOutput, error)
	UpdateStack(context.Context, *cfn.UpdateStackInput, ...func(*cfn.Options)) (*cfn.UpdateStackOutput, error)
	DeleteStack(context.Context, *cfn.DeleteStackInput, ...func(*cfn.Options)) (*cfn.DeleteStackOutput, error)
	CancelUpdateStack(context.Context, *cfn.CancelUpdateStackInput, ...func(*cfn.Options)) (*cfn.CancelUpdateStackOutput, error)
	ContinueUpdateRollback(context.Context, *cfn.ContinueUpdateRollbackInput, ...func(*cfn.Options)) (*cfn.ContinueUpdateRollbackOutput, error)
}

// settingAPI reads and sets properties of a stack that no template has.
type settingAPI interface {
	UpdateTerminationProtection(context.Context, *cfn.UpdateTerminationProtectionInput, ...func(*cfn.Options)) (*cfn.UpdateTerminationProtectionOutput, error)
	GetStackPolicy(context.Context, *cfn.GetStackPolicyInput, ...func(*cfn.Options)) (*cfn.GetStackPolicyOutput, error)
	SetStackPolicy(context.Context, *cfn.SetStackPolicyInput, ...func(*cfn.Options)) (*cfn.SetStackPolicyOutput, error)
}

var _ API = (*cfn.Client)(nil)

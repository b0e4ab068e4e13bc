// Package leftovers handles resources that remain after a stack was deleted, or
// that keep it from being deleted: network interfaces of functions, log groups
// that services create again, and API Gateway's logging role.
package leftovers

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/ec2"
)

// GatewayAPI reads and sets the account's settings of API Gateway; *apigateway.Client
// satisfies it.
type GatewayAPI interface {
	GetAccount(context.Context, *apigateway.GetAccountInput, ...func(*apigateway.Options)) (*apigateway.GetAccountOutput, error)
	UpdateAccount(context.Context, *apigateway.UpdateAccountInput, ...func(*apigateway.Options)) (*apigateway.UpdateAccountOutput, error)
	GetRestApis(context.Context, *apigateway.GetRestApisInput, ...func(*apigateway.Options)) (*apigateway.GetRestApisOutput, error)
	GetStages(context.Context, *apigateway.GetStagesInput, ...func(*apigateway.Options)) (*apigateway.GetStagesOutput, error)
}

// WebSocketAPI reads WebSocket APIs; *apigatewayv2.Client satisfies it.
type WebSocketAPI interface {
	GetApis(context.Context, *apigatewayv2.GetApisInput, ...func(*apigatewayv2.Options)) (*apigatewayv2.GetApisOutput, error)
	GetStages(context.Context, *apigatewayv2.GetStagesInput, ...func(*apigatewayv2.Options)) (*apigatewayv2.GetStagesOutput, error)
}

// RoleAPI reads and deletes a role; *iam.Client satisfies it.
type RoleAPI interface {
	GetRole(context.Context, *iam.GetRoleInput, ...func(*iam.Options)) (*iam.GetRoleOutput, error)
	ListAttachedRolePolicies(context.Context, *iam.ListAttachedRolePoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error)
	DetachRolePolicy(context.Context, *iam.DetachRolePolicyInput, ...func(*iam.Options)) (*iam.DetachRolePolicyOutput, error)
	DeleteRole(context.Context, *iam.DeleteRoleInput, ...func(*iam.Options)) (*iam.DeleteRoleOutput, error)
}

// LogAPI lists and deletes log groups; *cloudwatchlogs.Client satisfies it.
type LogAPI interface {
	DescribeLogGroups(context.Context, *cloudwatchlogs.DescribeLogGroupsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DescribeLogGroupsOutput, error)
	DeleteLogGroup(context.Context, *cloudwatchlogs.DeleteLogGroupInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.DeleteLogGroupOutput, error)
}

// InterfaceAPI lists network interfaces; *ec2.Client satisfies it.
type InterfaceAPI interface {
	NetworkInterfaces(ctx context.Context, filter string, values []string) ([]ec2.NetworkInterface, error)
}

var (
	_ GatewayAPI   = (*apigateway.Client)(nil)
	_ WebSocketAPI = (*apigatewayv2.Client)(nil)
	_ RoleAPI      = (*iam.Client)(nil)
	_ LogAPI       = (*cloudwatchlogs.Client)(nil)
	_ InterfaceAPI = (*ec2.Client)(nil)
)

// Leftovers finds and deletes what remains of stacks.
type Leftovers struct {
	stack.Session
	Gateway    GatewayAPI
	WebSockets WebSocketAPI
	Roles      RoleAPI
	Logs       LogAPI
	Interfaces InterfaceAPI
}

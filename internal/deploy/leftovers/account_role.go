package leftovers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	gateway "github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	gateway2 "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// Types of the resources behind API Gateway's logging role.
const (
	TypeRole    = "AWS::IAM::Role"
	TypeAccount = "AWS::ApiGateway::Account"
)

// AccountRole resets the role with which API Gateway writes the logs of every API
// in the account and region, if the deleted stack had set it and no other API
// needs it. If the role stays, it remains among the leftovers, with the reason.
func (l *Leftovers) AccountRole(ctx context.Context, left []stack.Leftover) []stack.Leftover {
	i := slices.IndexFunc(left, func(l stack.Leftover) bool { return l.Type == TypeRole })
	if i < 0 || !slices.ContainsFunc(left, func(l stack.Leftover) bool { return l.Type == TypeAccount }) {
		return left
	}
	why, err := l.resetAccountRole(ctx, left[i].PhysicalID)
	if err != nil {
		why = fmt.Sprintf("API Gateway's logging role, which could not be reset: %v", err)
	}
	if why == "" {
		return slices.DeleteFunc(left, func(l stack.Leftover) bool { return l.Type == TypeRole || l.Type == TypeAccount })
	}
	left[i].Why = why
	return slices.DeleteFunc(left, func(l stack.Leftover) bool { return l.Type == TypeAccount })
}

// resetAccountRole resets the account's role if it is this one, and deletes the
// role. If it does neither, it returns the reason. The role may be gone already, and
// the account still points to it.
func (l *Leftovers) resetAccountRole(ctx context.Context, role string) (why string, err error) {
	account, err := l.Gateway.GetAccount(ctx, &apigateway.GetAccountInput{})
	if err != nil {
		return "", fmt.Errorf("read the settings of API Gateway: %w", err)
	}
	arn := aws.ToString(account.CloudwatchRoleArn)
	found, err := l.Roles.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
	dead := stack.Code(err) == "NoSuchEntity"
	switch {
	case dead && !strings.HasSuffix(arn, "/"+role): // nothing points to it
		return "", nil
	case dead:
		found = &iam.GetRoleOutput{Role: &iamtypes.Role{Arn: &arn}}
	case err != nil:
		return "", fmt.Errorf("read role %s: %w", role, err)
	}
	if used := found.Role.RoleLastUsed; used != nil && used.Region != nil && *used.Region != l.Caller.Region {
		return "API Gateway in " + *used.Region + " used this role too", nil
	}
	if arn == aws.ToString(found.Role.Arn) {
		user, err := l.loggingStage(ctx)
		if err != nil {
			return "", err
		}
		if user != "" {
			return "API Gateway writes the logs of " + user + " with it", nil
		}
		l.Step("Resetting API Gateway's logging role: no other API in %s writes logs", l.Caller.Region)
		// API Gateway has no removal here: the value is replaced with none.
		err = l.WhenFree(ctx, "the account's settings of API Gateway", func() error {
			_, err := l.Gateway.UpdateAccount(ctx, &apigateway.UpdateAccountInput{PatchOperations: []gateway.PatchOperation{
				{Op: gateway.OpReplace, Path: aws.String("/cloudwatchRoleArn")},
			}})
			return err
		})
		if err != nil {
			return "", fmt.Errorf("reset the role: %w", err)
		}
	}
	if dead {
		return "", nil
	}
	return "", l.deleteRole(ctx, role)
}

// deleteRole deletes a role that has only managed policies.
func (l *Leftovers) deleteRole(ctx context.Context, role string) error {
	l.Step("Deleting role %s", role)
	pages := stack.Limit("policies of a role", iam.NewListAttachedRolePoliciesPaginator(l.Roles, &iam.ListAttachedRolePoliciesInput{RoleName: &role}))
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the policies of role %s: %w", role, err)
		}
		for _, p := range page.AttachedPolicies {
			if _, err := l.Roles.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &role, PolicyArn: p.PolicyArn}); err != nil {
				return fmt.Errorf("detach %s from role %s: %w", aws.ToString(p.PolicyArn), role, err)
			}
		}
	}
	err := l.WhenFree(ctx, "role "+role, func() error {
		_, err := l.Roles.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &role})
		return err
	})
	if err != nil {
		return fmt.Errorf("delete role %s: %w", role, err)
	}
	return nil
}

// loggingStage finds a stage in the region that writes logs with the account's
// role, of a REST API or a WebSocket API. HTTP APIs don't need the role.
func (l *Leftovers) loggingStage(ctx context.Context) (string, error) {
	apis := stack.Limit("REST APIs", apigateway.NewGetRestApisPaginator(l.Gateway, &apigateway.GetRestApisInput{Limit: aws.Int32(500)}))
	for apis.HasMorePages() {
		page, err := apis.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("list the REST APIs: %w", err)
		}
		for _, api := range page.Items {
			stages, err := l.Gateway.GetStages(ctx, &apigateway.GetStagesInput{RestApiId: api.Id})
			if err != nil {
				return "", fmt.Errorf("list the stages of API %s: %w", aws.ToString(api.Id), err)
			}
			if i := slices.IndexFunc(stages.Item, restLogs); i >= 0 {
				return "API " + aws.ToString(api.Name) + " (" + aws.ToString(api.Id) + "), stage " + aws.ToString(stages.Item[i].StageName), nil
			}
		}
	}
	var token *string
	for range stack.MaxPages {
		page, err := l.WebSockets.GetApis(ctx, &apigatewayv2.GetApisInput{NextToken: token})
		if err != nil {
			return "", fmt.Errorf("list the WebSocket APIs: %w", err)
		}
		for _, api := range page.Items {
			if api.ProtocolType != gateway2.ProtocolTypeWebsocket {
				continue
			}
			if stage, err := l.webSocketLogs(ctx, api); stage != "" || err != nil {
				return stage, err
			}
		}
		if token = page.NextToken; aws.ToString(token) == "" {
			return "", nil
		}
	}
	return "", &stack.PagesError{What: "WebSocket APIs"}
}

func restLogs(s gateway.Stage) bool {
	if s.AccessLogSettings != nil && aws.ToString(s.AccessLogSettings.DestinationArn) != "" {
		return true
	}
	for _, m := range s.MethodSettings {
		if level := aws.ToString(m.LoggingLevel); level != "" && !strings.EqualFold(level, "OFF") {
			return true
		}
	}
	return false
}

func (l *Leftovers) webSocketLogs(ctx context.Context, api gateway2.Api) (string, error) {
	var token *string
	for range stack.MaxPages {
		page, err := l.WebSockets.GetStages(ctx, &apigatewayv2.GetStagesInput{ApiId: api.ApiId, NextToken: token})
		if err != nil {
			return "", fmt.Errorf("list the stages of API %s: %w", aws.ToString(api.ApiId), err)
		}
		for _, s := range page.Items {
			logs := s.AccessLogSettings != nil && aws.ToString(s.AccessLogSettings.DestinationArn) != ""
			if r := s.DefaultRouteSettings; r != nil && r.LoggingLevel != "" && r.LoggingLevel != gateway2.LoggingLevelOff {
				logs = true
			}
			for _, r := range s.RouteSettings {
				logs = logs || r.LoggingLevel != "" && r.LoggingLevel != gateway2.LoggingLevelOff
			}
			if logs {
				return "API " + aws.ToString(api.Name) + " (" + aws.ToString(api.ApiId) + "), stage " + aws.ToString(s.StageName), nil
			}
		}
		if token = page.NextToken; aws.ToString(token) == "" {
			return "", nil
		}
	}
	return "", &stack.PagesError{What: "stages of API " + aws.ToString(api.ApiId)}
}

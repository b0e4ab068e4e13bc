package deploy

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
)

const (
	typeRole    = "AWS::IAM::Role"
	typeAccount = "AWS::ApiGateway::Account"
)

// accountRole takes back the role with which API Gateway writes the logs of
// every API in the account and region, if a stack that is gone had set it and
// no other API needs it. What stays is among the leftovers, with the reason.
func (o *Operator) accountRole(ctx context.Context, left []Leftover) []Leftover {
	i := slices.IndexFunc(left, func(l Leftover) bool { return l.Type == typeRole })
	if i < 0 || !slices.ContainsFunc(left, func(l Leftover) bool { return l.Type == typeAccount }) {
		return left
	}
	why, err := o.resetAccountRole(ctx, left[i].PhysicalID)
	if err != nil {
		why = fmt.Sprintf("API Gateway's role for logs, which could not be taken back: %v", err)
	}
	if why == "" {
		return slices.DeleteFunc(left, func(l Leftover) bool { return l.Type == typeRole || l.Type == typeAccount })
	}
	left[i].Why = why
	// The setting is the role's; there is nothing else behind it.
	return slices.DeleteFunc(left, func(l Leftover) bool { return l.Type == typeAccount })
}

// resetAccountRole unsets the role, if it is the one, and deletes it. It says
// why it did not.
func (o *Operator) resetAccountRole(ctx context.Context, role string) (why string, err error) {
	account, err := o.Gateway.GetAccount(ctx, &apigateway.GetAccountInput{})
	if err != nil {
		return "", fmt.Errorf("look at the settings of API Gateway: %w", err)
	}
	found, err := o.Roles.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
	if err != nil {
		return "", fmt.Errorf("look at role %s: %w", role, err)
	}
	if used := found.Role.RoleLastUsed; used != nil && used.Region != nil && *used.Region != o.Caller.Region {
		return "API Gateway in " + *used.Region + " used this role too", nil
	}
	if aws.ToString(account.CloudwatchRoleArn) == aws.ToString(found.Role.Arn) {
		user, err := o.loggingStage(ctx)
		if err != nil {
			return "", err
		}
		if user != "" {
			return "API Gateway writes the logs of " + user + " with it", nil
		}
		o.step("unsetting API Gateway's role for logs: no other API in " + o.Caller.Region + " has any")
		// The service knows no removal here: it is replaced by nothing.
		_, err = o.Gateway.UpdateAccount(ctx, &apigateway.UpdateAccountInput{PatchOperations: []gateway.PatchOperation{
			{Op: gateway.OpReplace, Path: aws.String("/cloudwatchRoleArn")},
		}})
		if err != nil {
			return "", fmt.Errorf("unset the role: %w", err)
		}
	}
	return "", o.deleteRole(ctx, role)
}

// deleteRole deletes a role with managed policies only, as the template's is.
func (o *Operator) deleteRole(ctx context.Context, role string) error {
	o.step("deleting role " + role)
	pages := iam.NewListAttachedRolePoliciesPaginator(o.Roles, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list the policies of role %s: %w", role, err)
		}
		for _, p := range page.AttachedPolicies {
			if _, err := o.Roles.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &role, PolicyArn: p.PolicyArn}); err != nil {
				return fmt.Errorf("detach %s from role %s: %w", aws.ToString(p.PolicyArn), role, err)
			}
		}
	}
	if _, err := o.Roles.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &role}); err != nil {
		return fmt.Errorf("delete role %s: %w", role, err)
	}
	return nil
}

// loggingStage finds a stage in the region that writes logs with the account's
// role: of a REST API or a WebSocket API. HTTP APIs don't need it.
func (o *Operator) loggingStage(ctx context.Context) (string, error) {
	apis := apigateway.NewGetRestApisPaginator(o.Gateway, &apigateway.GetRestApisInput{Limit: aws.Int32(500)})
	for apis.HasMorePages() {
		page, err := apis.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("list the REST APIs: %w", err)
		}
		for _, api := range page.Items {
			stages, err := o.Gateway.GetStages(ctx, &apigateway.GetStagesInput{RestApiId: api.Id})
			if err != nil {
				return "", fmt.Errorf("list the stages of API %s: %w", aws.ToString(api.Id), err)
			}
			if i := slices.IndexFunc(stages.Item, restLogs); i >= 0 {
				return "API " + aws.ToString(api.Name) + " (" + aws.ToString(api.Id) + "), stage " + aws.ToString(stages.Item[i].StageName), nil
			}
		}
	}
	for token := (*string)(nil); ; {
		page, err := o.WebSockets.GetApis(ctx, &apigatewayv2.GetApisInput{NextToken: token})
		if err != nil {
			return "", fmt.Errorf("list the WebSocket APIs: %w", err)
		}
		for _, api := range page.Items {
			if api.ProtocolType != gateway2.ProtocolTypeWebsocket {
				continue
			}
			if stage, err := o.webSocketLogs(ctx, api); stage != "" || err != nil {
				return stage, err
			}
		}
		if token = page.NextToken; aws.ToString(token) == "" {
			return "", nil
		}
	}
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

func (o *Operator) webSocketLogs(ctx context.Context, api gateway2.Api) (string, error) {
	for token := (*string)(nil); ; {
		page, err := o.WebSockets.GetStages(ctx, &apigatewayv2.GetStagesInput{ApiId: api.ApiId, NextToken: token})
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
}

package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/stacktemplate"
)

// AccountRole returns the role with which API Gateway writes the logs of the account
// and region, if a deploy of the stack must not replace it: the account has a live role
// that is not the stack's own, and the deployed template does not set the role with
// the resource of this logical id. A role that these credentials may not read counts as
// live. Otherwise it returns "". It changes nothing.
func (o *Operator) AccountRole(ctx context.Context, name, logicalID string) (arn string, err error) {
	p := o.parts()
	s, err := p.stacks.Describe(ctx, name)
	exists := err == nil
	if err != nil && !errors.Is(err, stack.ErrNotFound) {
		return "", err
	}
	if exists && s.Status.Deploy() != stack.Recreate {
		if sets, err := p.declares(ctx, s, logicalID); sets || err != nil {
			return "", err
		}
	}
	account, err := o.APIGateway.GetAccount(ctx, &apigateway.GetAccountInput{})
	if err != nil {
		return "", fmt.Errorf("read API Gateway's logging role of the account (ApiGatewayAccountRole: existing skips this): %w", err)
	}
	arn = aws.ToString(account.CloudwatchRoleArn)
	if arn == "" {
		return "", nil
	}
	role := arn[strings.LastIndexByte(arn, '/')+1:]
	if exists { // a failed create may have left its own role
		if own, err := p.owns(ctx, s, role); own || err != nil {
			return "", err
		}
	}
	_, err = o.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
	switch stack.Code(err) {
	case "NoSuchEntity", "NoSuchEntityException":
		return "", nil // API Gateway can't use a deleted role
	case "AccessDenied", "AccessDeniedException":
		return arn, nil
	}
	if err != nil {
		return "", fmt.Errorf("read API Gateway's logging role %s: %w", arn, err)
	}
	return arn, nil
}

// declares reports whether the stack's deployed template has a resource.
func (p parts) declares(ctx context.Context, s stack.Stack, logicalID string) (bool, error) {
	body, err := p.stacks.Template(ctx, s)
	if err != nil {
		return false, err
	}
	resources, err := stacktemplate.Parse(body)
	if err != nil {
		return false, fmt.Errorf("stack %s: %w", s.Name, err)
	}
	_, ok := resources[logicalID]
	return ok, nil
}

// owns reports whether a stack has a resource with a physical id.
func (p parts) owns(ctx context.Context, s stack.Stack, physicalID string) (bool, error) {
	resources, err := p.stacks.Resources(ctx, s.ID)
	return slices.ContainsFunc(resources, func(r stack.Resource) bool { return r.PhysicalID == physicalID }), err
}

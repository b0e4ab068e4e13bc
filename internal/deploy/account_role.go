package deploy

import (
	"context"
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
func (o *Operator) AccountRole(ctx context.Context, current stack.Current, logicalID string) (arn string, err error) {
	if current.Template != nil {
		deployed, err := stacktemplate.Parse(current.Template)
		if _, sets := deployed[logicalID]; sets || err != nil {
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
	if current.Stack.ID != "" { // a failed create may have left its own role
		if own, err := o.parts().owns(ctx, current.Stack, role); own || err != nil {
			return "", err
		}
	}
	_, err = o.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
	switch {
	case stack.Code(err) == "NoSuchEntity":
		return "", nil // API Gateway can't use a deleted role
	case stack.IsDenied(err):
		return arn, nil
	case err != nil:
		return "", fmt.Errorf("read API Gateway's logging role %s: %w", arn, err)
	}
	return arn, nil
}

// owns reports whether a stack has a resource with a physical id.
func (p parts) owns(ctx context.Context, s stack.Stack, physicalID string) (bool, error) {
	resources, err := p.stacks.Resources(ctx, s.ID)
	return slices.ContainsFunc(resources, func(r stack.Resource) bool { return r.PhysicalID == physicalID }), err
}

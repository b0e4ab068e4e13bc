package checkup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/health"
)

// FunctionAPI reads functions and Lambda's limits; *lambda.Client satisfies it.
type FunctionAPI interface {
	GetFunctionConfiguration(context.Context, *lambda.GetFunctionConfigurationInput, ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error)
	GetAccountSettings(context.Context, *lambda.GetAccountSettingsInput, ...func(*lambda.Options)) (*lambda.GetAccountSettingsOutput, error)
}

var _ FunctionAPI = (*lambda.Client)(nil)

// RoleAPI reads roles; *iam.Client satisfies it.
type RoleAPI interface {
	GetRole(context.Context, *iam.GetRoleInput, ...func(*iam.Options)) (*iam.GetRoleOutput, error)
	ListAttachedRolePolicies(context.Context, *iam.ListAttachedRolePoliciesInput, ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error)
	SimulatePrincipalPolicy(context.Context, *iam.SimulatePrincipalPolicyInput, ...func(*iam.Options)) (*iam.SimulatePrincipalPolicyOutput, error)
}

var _ RoleAPI = (*iam.Client)(nil)

// Functions checks that each function is active and has its role of the stack.
func Functions(api FunctionAPI, t Target) Check {
	return Check{"functions", "lambda:GetFunctionConfiguration", func(ctx context.Context) (out []Result, err error) {
		for _, f := range t.ofType("AWS::Lambda::Function") {
			found, err := api.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(f.PhysicalID)})
			if err != nil {
				return out, fmt.Errorf("read function %s: %w", f.LogicalID, err)
			}
			want := []setting{{"state", string(found.State), "Active"}, {"last update", string(found.LastUpdateStatus), "Successful"}}
			if role, ok := t.resource(strings.TrimSuffix(f.LogicalID, "Function") + "Role"); ok {
				want = append(want, setting{"role", last(aws.ToString(found.Role)), role.PhysicalID})
			}
			out = append(out, compare("functions", f.LogicalID, want)...)
		}
		return joined("functions", out, "functions are active and have their roles"), nil
	}}
}

// Roles checks that the stack's roles exist, and have no policy of another origin.
func Roles(api RoleAPI, t Target) Check {
	return Check{"roles", "iam:GetRole", func(ctx context.Context) (out []Result, err error) {
		own := map[string]bool{}
		for _, p := range t.ofType("AWS::IAM::ManagedPolicy") {
			own[p.PhysicalID] = true
		}
		for _, r := range t.ofType("AWS::IAM::Role") {
			one, err := checkRole(ctx, api, r, own)
			if err != nil {
				return out, err
			}
			out = append(out, one...)
		}
		return joined("roles", out, "roles exist, with policies of the stack only"), nil
	}}
}

func checkRole(ctx context.Context, api RoleAPI, r health.Resource, own map[string]bool) ([]Result, error) {
	name := aws.String(r.PhysicalID)
	_, err := api.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	switch {
	case stack.Code(err) == "NoSuchEntity":
		return problem("roles", Fail, "`aws cloudformation detect-stack-drift` confirms it; recreate the role under this name, or destroy and deploy", "%s (%s) was deleted outside of the stack", r.LogicalID, r.PhysicalID), nil
	case err != nil:
		return nil, fmt.Errorf("read role %s: %w", r.LogicalID, err)
	}
	pages := iam.NewListAttachedRolePoliciesPaginator(api, &iam.ListAttachedRolePoliciesInput{RoleName: name})
	var others []string
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list policies of role %s: %w", r.LogicalID, err)
		}
		for _, p := range page.AttachedPolicies {
			// The role of API Gateway's logs and those of replicas have AWS's policies.
			if arn := aws.ToString(p.PolicyArn); !own[arn] && !strings.Contains(arn, ":iam::aws:policy/service-role/") {
				others = append(others, arn)
			}
		}
	}
	if len(others) > 0 {
		slices.Sort(others)
		return problem("roles", Warn, "`aws iam detach-role-policy --role-name "+r.PhysicalID+" --policy-arn …` removes it", "%s has policies that the template doesn't attach: %s", r.LogicalID, strings.Join(others, ", ")), nil
	}
	return ok("roles", "%s", r.LogicalID), nil
}

// joined returns the problems, or one line if there are none.
func joined(check string, all []Result, what string) []Result {
	bad := slices.DeleteFunc(slices.Clone(all), func(r Result) bool { return r.Status == OK })
	if len(bad) > 0 {
		return bad
	}
	return ok(check, "%d %s", len(all), what)
}

package fake

import (
	"context"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// iamKinds declares IAM's types.
func iamKinds() map[string]kind {
	return map[string]kind{
		"AWS::IAM::Role": {
			Kind: cfn.Kind{CustomNames: []string{"RoleName"}, IAM: true},
			id:   named("RoleName", 64), check: checkRole,
			attributes: map[string]string{"Arn": "arn:aws:iam::{account}:role/{id}", "RoleId": "AROA{id}"},
		},
		"AWS::IAM::Policy": {
			Kind: cfn.Kind{CustomNames: []string{"PolicyName"}, IAM: true},
			id:   func(r cfn.Request) string { return generated(r, 64) }, attributes: map[string]string{"Id": "{id}"},
		},
		"AWS::IAM::ManagedPolicy": {
			Kind: cfn.Kind{CustomNames: []string{"ManagedPolicyName"}, IAM: true},
			id: func(r cfn.Request) string {
				_, account, _ := strings.Cut(r.StackID, "cloudformation:")
				parts := strings.Split(account, ":")
				return "arn:aws:iam::" + parts[1] + ":policy/" + named("ManagedPolicyName", 128)(r)
			},
			attributes: map[string]string{"PolicyArn": "{id}", "PolicyId": "", "DefaultVersionId": "v1"}, remove: removePolicy,
		},
	}
}

func checkRole(f *account, r cfn.Request) error {
	if len(named("RoleName", 64)(r)) > 64 {
		return handlerError("Iam", 400, "1 validation error detected: Value at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64", "InvalidRequest")
	}
	for _, arn := range items(r.Properties, "ManagedPolicyArns") {
		if strings.HasPrefix(arn, "arn:aws:iam::aws:policy/") {
			continue
		}
		if _, ok := f.registry.find("AWS::IAM::ManagedPolicy", arn); !ok {
			return handlerError("Iam", 404, "Policy "+arn+" does not exist or is not attachable.", "NotFound")
		}
	}
	return nil
}

func removePolicy(_ context.Context, f *account, r cfn.Request) error {
	for _, role := range f.registry.list("AWS::IAM::Role") {
		for _, arn := range items(role.props, "ManagedPolicyArns") {
			if arn == r.PhysicalID {
				return handlerError("Iam", 409, "Cannot delete a policy attached to entities.", "InvalidRequest")
			}
		}
	}
	return nil
}

// roleName returns the name at the end of a role's ARN.
func roleName(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

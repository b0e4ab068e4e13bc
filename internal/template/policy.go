package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/iam"
	"github.com/awslabs/goformation/v7/cloudformation/tags"
)

// statement is one statement of an IAM or resource policy; Effect defaults to Allow.
// Action and Resource are a string or a list.
type statement struct {
	Effect    string
	Principal any `json:",omitempty"`
	Action    any
	Resource  any
	Condition any `json:",omitempty"`
}

func policy(statements ...statement) map[string]any {
	for i := range statements {
		if statements[i].Effect == "" {
			statements[i].Effect = "Allow"
		}
	}
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}

// trust lets an AWS service assume a role. The optional condition is for services that
// pass the account for which they act.
func trust(service string, condition ...map[string]any) map[string]any {
	s := map[string]any{
		"Effect":    "Allow",
		"Principal": map[string]string{"Service": service},
		"Action":    "sts:AssumeRole",
	}
	if len(condition) > 0 {
		s["Condition"] = condition[0]
	}
	return map[string]any{"Statement": s} // without variables, IAM's default version is the same
}

// inline returns a role's inline policy. It is a part of the role, because resources
// that use the role do not depend on a separate policy resource.
func inline(statements ...statement) []iam.Role_Policy {
	return []iam.Role_Policy{{PolicyName: "streamctl", PolicyDocument: policy(statements...)}}
}

// service is a policy's principal.
func service(name string) map[string]string { return map[string]string{"Service": name} }

// ownAccount is the condition that a service acts for this account.
func ownAccount() map[string]any {
	return map[string]any{"StringEquals": map[string]string{"aws:SourceAccount": Ref(accountID)}}
}

// labels are the tags of resources that cost money or hold data. A deploy adds the
// stack's tags to every resource.
func labels() []tags.Tag {
	return []tags.Tag{{Key: "Project", Value: Ref(paramProject)}}
}

// name is the Name tag, for resources that the console lists without a name.
func name() []tags.Tag { return []tags.Tag{{Key: "Name", Value: Ref("AWS::StackName")}} }

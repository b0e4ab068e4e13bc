package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/iam"
	"github.com/awslabs/goformation/v7/cloudformation/tags"
)

// statement is one statement of an IAM or resource policy; it allows unless
// Effect says otherwise. Action and Resource are a string or a list.
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

// trust lets an AWS service take a role. A condition, if one is given, is for
// services that say for which account they act.
func trust(service string, condition ...map[string]any) map[string]any {
	s := map[string]any{
		"Effect":    "Allow",
		"Principal": map[string]string{"Service": service},
		"Action":    "sts:AssumeRole",
	}
	if len(condition) > 0 {
		s["Condition"] = condition[0]
	}
	return map[string]any{"Version": "2012-10-17", "Statement": []any{s}}
}

// inline is a role's own policy. It stands in the role, because a policy that
// is a resource of its own is no dependency of what uses the role.
func inline(statements ...statement) []iam.Role_Policy {
	return []iam.Role_Policy{{PolicyName: "streamctl", PolicyDocument: policy(statements...)}}
}

// service is a policy's principal.
func service(name string) map[string]string { return map[string]string{"Service": name} }

// ownAccount is the condition that a service acts for this account.
func ownAccount() map[string]any {
	return map[string]any{"StringEquals": map[string]string{"aws:SourceAccount": Ref(accountID)}}
}

// labels are the tags of what costs money or holds data. A deploy gives every
// resource more of them, as tags of the stack.
func labels() []tags.Tag {
	return []tags.Tag{{Key: "Project", Value: Ref(paramProject)}}
}

// name is what the console shows for something without a name of its own.
func name() []tags.Tag { return []tags.Tag{{Key: "Name", Value: Ref("AWS::StackName")}} }

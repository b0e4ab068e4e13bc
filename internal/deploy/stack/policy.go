package stack

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

// ProtectivePolicy is a stack policy that lets no update replace or delete the
// resources with these logical ids.
func ProtectivePolicy(logicalIDs []string) (string, error) {
	type statement struct {
		Effect, Principal string
		Action, Resource  []string
	}
	deny := statement{Effect: "Deny", Principal: "*", Action: []string{"Update:Replace", "Update:Delete"}}
	for _, id := range logicalIDs {
		deny.Resource = append(deny.Resource, "LogicalResourceId/"+id)
	}
	policy := struct{ Statement []statement }{[]statement{{Effect: "Allow", Principal: "*", Action: []string{"Update:*"}, Resource: []string{"*"}}}}
	if len(logicalIDs) > 0 {
		policy.Statement = append(policy.Statement, deny)
	}
	text, err := json.Marshal(policy)
	if err != nil {
		return "", fmt.Errorf("write stack policy: %w", err)
	}
	return string(text), nil
}

// permissivePolicy denies nothing.
const permissivePolicy = `{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}`

// SetPolicy sets the stack policy if it differs: that of a stack of an earlier
// version, or of one before resources were added. An empty policy changes
// nothing.
func (c *Client) SetPolicy(ctx context.Context, s Stack, policy string) error {
	if policy == "" {
		return nil
	}
	out, err := c.API.GetStackPolicy(ctx, &cfn.GetStackPolicyInput{StackName: &s.ID})
	if err != nil {
		return fmt.Errorf("read the policy of stack %s: %w", s.Name, err)
	}
	if aws.ToString(out.StackPolicyBody) == policy {
		return nil
	}
	if _, err := c.API.SetStackPolicy(ctx, &cfn.SetStackPolicyInput{StackName: &s.ID, StackPolicyBody: &policy}); err != nil {
		return fmt.Errorf("set the policy of stack %s: %w", s.Name, err)
	}
	return nil
}

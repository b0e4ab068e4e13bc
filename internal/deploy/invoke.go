package deploy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// Invoke calls the stack's function with a logical id, with input as JSON, and decodes
// its response into output. An error of the function is a *FunctionError.
func (o *Operator) Invoke(ctx context.Context, s stack.Stack, logicalID string, input, output any) error {
	name, err := o.parts().stacks.PhysicalID(ctx, s, logicalID)
	if err != nil {
		return err
	}
	return invoke(ctx, o.Lambda, name, input, output)
}

// invoke calls a function by its name or ARN.
func invoke(ctx context.Context, api *lambda.Client, name string, input, output any) error {
	payload, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("invoke %s: %w", name, err)
	}
	out, err := api.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload})
	if err != nil {
		return fmt.Errorf("invoke %s: %w", name, err)
	}
	if out.FunctionError != nil {
		var failure struct {
			Message string `json:"errorMessage"`
		}
		if json.Unmarshal(out.Payload, &failure) != nil || failure.Message == "" {
			failure.Message = aws.ToString(out.FunctionError)
		}
		return &FunctionError{Function: name, Message: failure.Message}
	}
	if err := json.Unmarshal(out.Payload, output); err != nil {
		return fmt.Errorf("invoke %s: read response: %w", name, err)
	}
	return nil
}

// FunctionError is the error of an invoked function.
type FunctionError struct{ Function, Message string }

func (e *FunctionError) Error() string { return "function " + e.Function + " failed: " + e.Message }

package deploy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// Function is a function of a stack. It is safe for concurrent use.
type Function struct {
	api  *lambda.Client
	name string
}

// Function finds the stack's function with a logical id.
func (o *Operator) Function(ctx context.Context, s stack.Stack, logicalID string) (*Function, error) {
	name, err := o.parts().stacks.PhysicalID(ctx, s, logicalID)
	if err != nil {
		return nil, err
	}
	return &Function{o.Lambda, name}, nil
}

// Invoke calls the function with input as JSON and decodes its response into output. An
// error of the function is a *FunctionError.
func (f *Function) Invoke(ctx context.Context, input, output any) error {
	return invoke(ctx, f.api, f.name, input, output)
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

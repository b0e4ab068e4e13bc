package deploy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// Invoke calls a function of the stack, named by its logical id, with input as
// JSON, waits for its answer and reads it into output. A function that fails
// gives a *FunctionError.
func (o *Operator) Invoke(ctx context.Context, stack Stack, logicalID string, input, output any) error {
	name, err := o.physicalID(ctx, stack, logicalID)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(input)
	if err != nil {
		return fmt.Errorf("invoke %s: %w", logicalID, err)
	}
	out, err := o.Functions.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload})
	if err != nil {
		return fmt.Errorf("invoke %s: %w", logicalID, err)
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
		return fmt.Errorf("invoke %s: read answer: %w", logicalID, err)
	}
	return nil
}

// FunctionError is the error of a function that was invoked.
type FunctionError struct{ Function, Message string }

func (e *FunctionError) Error() string { return "function " + e.Function + " failed: " + e.Message }

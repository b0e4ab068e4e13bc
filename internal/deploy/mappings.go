package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// stopMappings disables the stack's event source mappings and waits until they
// are: what they invoke writes into the bucket that is emptied next.
func (o *Operator) stopMappings(ctx context.Context, resources []Resource) error {
	mappings := byType(resources, "AWS::Lambda::EventSourceMapping")
	for _, m := range mappings {
		o.step("stopping " + m.LogicalID)
		if err := o.disable(ctx, m.PhysicalID); err != nil {
			return err
		}
	}
	for _, m := range mappings {
		if err := o.awaitDisabled(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (o *Operator) disable(ctx context.Context, id string) error {
	for {
		_, err := o.Functions.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: &id, Enabled: aws.Bool(false)})
		var missing *types.ResourceNotFoundException
		var changing *types.ResourceInUseException
		switch {
		case err == nil || errors.As(err, &missing):
			return nil
		case !errors.As(err, &changing):
			return fmt.Errorf("stop mapping %s: %w", id, err)
		}
		if err := sleep(ctx, o.Poll); err != nil { // a change is still under way
			return fmt.Errorf("stop mapping %s: %w", id, err)
		}
	}
}

func (o *Operator) awaitDisabled(ctx context.Context, m Resource) error {
	for {
		out, err := o.Functions.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &m.PhysicalID})
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) || err == nil && deref(out.State) == "Disabled" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for %s to stop: %w", m.LogicalID, err)
		}
		if err := sleep(ctx, o.Poll); err != nil {
			return fmt.Errorf("wait for %s to stop: %w", m.LogicalID, err)
		}
	}
}

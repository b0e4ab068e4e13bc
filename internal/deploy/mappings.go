package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/streamctl/streamctl/internal/pause"
)

// stopMappings disables the stack's event source mappings and waits until they
// are: what they invoke writes into the bucket that is emptied next.
func (o *Operator) stopMappings(ctx context.Context, resources []Resource) error {
	mappings := byType(resources, typeMapping)
	for _, m := range mappings {
		o.step("stopping " + m.LogicalID)
		if err := o.enable(ctx, m.PhysicalID, false); err != nil {
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

// enable switches a mapping on or off. One that is gone is off; one that is
// changing is waited for.
func (o *Operator) enable(ctx context.Context, id string, on bool) error {
	for {
		_, err := o.Functions.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: &id, Enabled: &on})
		var missing *types.ResourceNotFoundException
		var changing *types.ResourceInUseException
		switch {
		case err == nil || errors.As(err, &missing) && !on:
			return nil
		case !errors.As(err, &changing):
			return fmt.Errorf("switch mapping %s: %w", id, err)
		}
		if err := pause.For(ctx, o.Poll); err != nil {
			return fmt.Errorf("switch mapping %s: %w", id, err)
		}
	}
}

func (o *Operator) awaitDisabled(ctx context.Context, m Resource) error {
	for {
		out, err := o.Functions.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &m.PhysicalID})
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) || err == nil && aws.ToString(out.State) == "Disabled" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for %s to stop: %w", m.LogicalID, err)
		}
		if err := pause.For(ctx, o.Poll); err != nil {
			return fmt.Errorf("wait for %s to stop: %w", m.LogicalID, err)
		}
	}
}

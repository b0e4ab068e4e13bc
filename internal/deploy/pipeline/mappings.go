package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/pause"
)

// StopConsumers disables the stack's event source mappings and waits until they
// are disabled: their functions write to the bucket that is emptied next.
func (p *Pipeline) StopConsumers(ctx context.Context, resources []stack.Resource) error {
	mappings := stack.OfType(resources, typeMapping)
	for _, m := range mappings {
		p.Step("Disabling %s", m.LogicalID)
		if err := p.enable(ctx, m.PhysicalID, false); err != nil {
			return err
		}
	}
	for _, m := range mappings {
		if err := p.awaitDisabled(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// enable enables or disables a mapping. A mapping that does not exist is disabled;
// one that is changing is waited for.
func (p *Pipeline) enable(ctx context.Context, id string, on bool) error {
	for {
		_, err := p.Functions.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: &id, Enabled: &on})
		var missing *types.ResourceNotFoundException
		var changing *types.ResourceInUseException
		switch {
		case err == nil || errors.As(err, &missing) && !on:
			return nil
		case !errors.As(err, &changing):
			return fmt.Errorf("change mapping %s: %w", id, err)
		}
		if err := pause.For(ctx, p.Poll); err != nil {
			return fmt.Errorf("change mapping %s: %w", id, err)
		}
	}
}

func (p *Pipeline) awaitDisabled(ctx context.Context, m stack.Resource) error {
	for {
		out, err := p.Functions.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &m.PhysicalID})
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) || err == nil && aws.ToString(out.State) == "Disabled" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait until %s is disabled: %w", m.LogicalID, err)
		}
		if err := pause.For(ctx, p.Poll); err != nil {
			return fmt.Errorf("wait until %s is disabled: %w", m.LogicalID, err)
		}
	}
}

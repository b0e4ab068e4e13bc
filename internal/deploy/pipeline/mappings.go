package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
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
// one that is changing (Creating, Updating, Enabling, …) is waited for.
func (p *Pipeline) enable(ctx context.Context, id string, on bool) error {
	err := p.WhenFree(ctx, "event source mapping "+id, func() error {
		_, err := p.Functions.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: &id, Enabled: &on})
		return err
	})
	var missing *types.ResourceNotFoundException
	if err != nil && (on || !errors.As(err, &missing)) {
		return fmt.Errorf("change mapping %s: %w", id, err)
	}
	return nil
}

// disabledPolls bounds the wait for a mapping to be disabled, in poll intervals: Lambda
// first lets a running batch end, which takes up to the function's timeout of 15 minutes.
const disabledPolls = 400

func (p *Pipeline) awaitDisabled(ctx context.Context, m stack.Resource) error {
	return p.Await(ctx, m.LogicalID+" to be disabled", disabledPolls, func() (string, error) {
		out, err := p.Functions.GetEventSourceMapping(ctx, &lambda.GetEventSourceMappingInput{UUID: &m.PhysicalID})
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) || err == nil && aws.ToString(out.State) == "Disabled" {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("wait until %s is disabled: %w", m.LogicalID, err)
		}
		return aws.ToString(out.State), nil
	})
}

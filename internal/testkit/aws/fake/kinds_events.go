package fake

import (
	"context"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// eventsKinds declares EventBridge's types.
func eventsKinds() map[string]kind {
	return map[string]kind{
		"AWS::Events::Rule": {
			id: named("Name", 64), check: checkEventRule,
			create: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				f.schedules.startTimer(r.PhysicalID)
				return nil, nil
			},
			attributes: map[string]string{"Arn": "arn:aws:events:{region}:{account}:rule/{id}"},
		},
	}
}

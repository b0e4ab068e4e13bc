package fake

import (
	"context"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// snsKinds declares Amazon SNS' types.
func snsKinds() map[string]kind {
	return map[string]kind{
		"AWS::SNS::Topic": {
			id: func(r cfn.Request) string {
				parts := strings.Split(r.StackID, ":") // arn:aws:cloudformation:region:account:stack/…
				return "arn:aws:sns:" + parts[3] + ":" + parts[4] + ":" + named("TopicName", 256)(r)
			},
			attributes: map[string]string{"TopicArn": "{id}", "TopicName": ""},
			create: func(_ context.Context, _ *account, r cfn.Request) (map[string]any, error) {
				return map[string]any{"TopicName": r.PhysicalID[strings.LastIndexByte(r.PhysicalID, ':')+1:]}, nil
			},
		},
		"AWS::SNS::TopicPolicy": {
			id:         func(r cfn.Request) string { return generated(r, 64) },
			attributes: map[string]string{"Id": "{id}"},
		},
		"AWS::SNS::Subscription": {
			id: func(r cfn.Request) string { return str(r.Properties, "TopicArn") + ":" + uuid(r) }, attributes: map[string]string{"Arn": "{id}"},
			check: func(f *account, r cfn.Request) error {
				if _, ok := f.registry.find("AWS::SNS::Topic", str(r.Properties, "TopicArn")); !ok {
					return handlerError("Sns", 404, "Topic does not exist", "NotFound")
				}
				return nil
			},
		},
	}
}

package fake

import (
	"context"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// logsKinds declares CloudWatch Logs' types.
func logsKinds() map[string]kind {
	return map[string]kind{
		"AWS::Logs::LogGroup": {
			id: named("LogGroupName", 512),
			check: func(f *account, r cfn.Request) error {
				if name := str(r.Properties, "LogGroupName"); r.PhysicalID == "" && f.logs.exists(name) {
					return cfn.Reasonf("Resource handler returned message: \"Resource of type 'AWS::Logs::LogGroup' with identifier '{\"/properties/LogGroupName\":\"%s\"}' already exists.\" (RequestToken: %s, HandlerErrorCode: AlreadyExists)", name, uuid(r))
				}
				return nil
			},
			create: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				f.logs.create(r.PhysicalID)
				return nil, nil
			},
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				f.logs.remove(r.PhysicalID)
				return nil
			},
			attributes: map[string]string{"Arn": "arn:aws:logs:{region}:{account}:log-group:{id}:*"},
		},
	}
}

package fake

import (
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// kmsKinds declares AWS KMS' types.
func kmsKinds() map[string]kind {
	return map[string]kind{
		"AWS::KMS::Key": {
			id:         uuid,
			attributes: map[string]string{"Arn": "arn:aws:kms:{region}:{account}:key/{id}", "KeyId": "{id}"},
		},
		"AWS::KMS::Alias": {
			id: named("AliasName", 256),
			check: func(_ *account, r cfn.Request) error {
				if name := str(r.Properties, "AliasName"); len(name) < 7 || name[:6] != "alias/" || len(name) > 10 && name[:10] == "alias/aws/" {
					return handlerError("Kms", 400, "Invalid alias name "+name, "InvalidRequest")
				}
				return nil
			},
		},
	}
}

package fake

import (
	"context"
	"slices"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// s3Kinds declares Amazon S3's types.
func s3Kinds() map[string]kind {
	return map[string]kind{
		"AWS::S3::Bucket": {
			id: lower("BucketName", 63), check: checkBucket, create: createBucket, update: updateBucket, remove: removeBucket,
			attributes: map[string]string{
				"Arn": "arn:aws:s3:::{id}", "DomainName": "{id}.s3.amazonaws.com", "RegionalDomainName": "{id}.s3.{region}.amazonaws.com",
				"DualStackDomainName": "{id}.s3.dualstack.{region}.amazonaws.com", "WebsiteURL": "http://{id}.s3-website-{region}.amazonaws.com",
			},
		},
		"AWS::S3::BucketPolicy": {
			id: named("Bucket", 63),
			check: func(f *account, r cfn.Request) error {
				if !slices.Contains(f.objects.Buckets(), str(r.Properties, "Bucket")) {
					return handlerError("S3", 404, "The specified bucket does not exist", "NotFound")
				}
				return f.objects.SetPolicy(str(r.Properties, "Bucket"), r.Properties["PolicyDocument"])
			},
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				return f.objects.SetPolicy(str(r.Properties, "Bucket"), nil)
			},
		},
	}
}

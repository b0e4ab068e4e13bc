package archive

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/awshttp"
)

// NewClient returns the S3 client of a function. If the environment sets an
// endpoint, the client uses path-style addresses: such a host has no name per
// bucket.
func NewClient(cfg aws.Config, getenv func(string) string) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.BaseEndpoint = awshttp.Endpoint(getenv, "S3")
		o.UsePathStyle = o.BaseEndpoint != nil
	})
}

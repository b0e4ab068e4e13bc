package e2e_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/testkit/awsfake"
)

// deleteObjects leaves delete markers.
func deleteObjects(t *testing.T, f *awsfake.Fake, bucket string, n int) {
	t.Helper()
	client := s3.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &f.Endpoint,
		Credentials: credentials.NewStaticCredentialsProvider(f.Credentials.AccessKeyID, f.Credentials.SecretAccessKey, ""),
	}, func(o *s3.Options) { o.UsePathStyle = true })
	for i := range n {
		if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(fmt.Sprintf("gone/%d", i))}); err != nil {
			t.Fatal(err)
		}
	}
}

package bucketload

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Behind starts a front for a server, and returns a client that retries like
// the program, with shorter pauses.
func Behind(t testing.TB, server http.Handler) (*Front, *s3.Client) {
	t.Helper()
	front := &Front{Server: server}
	at := httptest.NewServer(front)
	t.Cleanup(at.Close)
	return front, s3.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &at.URL, Credentials: credentials.NewStaticCredentialsProvider("x", "y", ""),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.RateLimiter, o.MaxBackoff = 10, ratelimit.None, 20*time.Millisecond
			})
		},
	}, func(o *s3.Options) { o.UsePathStyle = true })
}

// Left counts the versions and delete markers on the first page of a bucket.
func Left(t testing.TB, client *s3.Client, name string) int {
	t.Helper()
	page, err := client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &name})
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Versions) + len(page.DeleteMarkers)
}

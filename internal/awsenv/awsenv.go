// Package awsenv makes AWS clients for a Lambda function from the environment
// alone. The SDK's own loader also reads files, asks metadata services and
// signs in; a function needs none of that, and is smaller without it.
package awsenv

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/trust"
)

// Config reads region, credentials and the bundle of trusted authorities.
// Lambda keeps the credentials constant as long as an environment lives.
func Config(getenv func(string) string) (aws.Config, error) {
	region := getenv("AWS_REGION")
	if region == "" {
		region = getenv("AWS_DEFAULT_REGION")
	}
	if region == "" {
		return aws.Config{}, errors.New("AWS_REGION: not set")
	}
	cfg := aws.Config{Region: region, Credentials: Credentials(getenv), HTTPClient: sdkhttp.NewBuildableClient()}
	if path := getenv(trust.BundleVariable); path != "" {
		client, err := bundleClient(getenv)
		if err != nil {
			return aws.Config{}, err
		}
		cfg.HTTPClient = client
	}
	cfg.HTTPClient = awshttp.Wrap(cfg.HTTPClient)
	return cfg, nil
}

// Credentials gives those of the environment, and an error that names the
// missing variables.
func Credentials(getenv func(string) string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		c := aws.Credentials{
			AccessKeyID:     getenv("AWS_ACCESS_KEY_ID"),
			SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"),
			SessionToken:    getenv("AWS_SESSION_TOKEN"),
			Source:          "environment",
		}
		if c.AccessKeyID == "" || c.SecretAccessKey == "" {
			return aws.Credentials{}, errors.New("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: not set")
		}
		return c, nil
	})
}

// bundleClient trusts the named bundle instead of the system's authorities, as
// the SDK does with AWS_CA_BUNDLE.
func bundleClient(getenv func(string) string) (*sdkhttp.BuildableClient, error) {
	pool, err := trust.Pool(getenv)
	if err != nil {
		return nil, fmt.Errorf("make HTTP client: %w", err)
	}
	return sdkhttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}), nil
}

// Endpoint is the override for a service ("S3", "KINESIS"), or for all of
// them; nil when neither is set.
func Endpoint(getenv func(string) string, service string) *string {
	for _, name := range []string{"AWS_ENDPOINT_URL_" + strings.ToUpper(service), "AWS_ENDPOINT_URL"} {
		if v := getenv(name); v != "" {
			return aws.String(v)
		}
	}
	return nil
}

// S3 makes a client. Behind an override it writes the bucket into the path:
// such a host has no name per bucket.
func S3(cfg aws.Config, getenv func(string) string) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.BaseEndpoint = Endpoint(getenv, "S3")
		o.UsePathStyle = o.BaseEndpoint != nil
	})
}

// Kinesis makes a client that tries once: its caller knows which records are
// worth another try, and how much time is left.
func Kinesis(cfg aws.Config, getenv func(string) string) *kinesis.Client {
	return kinesis.NewFromConfig(cfg, func(o *kinesis.Options) {
		o.BaseEndpoint = Endpoint(getenv, "KINESIS")
		o.RetryMaxAttempts = 1
	})
}

// HTTPClient is a client for a URL that AWS gave, without proxy or redirects.
func HTTPClient(getenv func(string) string) (*http.Client, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	if getenv(trust.BundleVariable) != "" {
		pool, err := trust.Pool(getenv)
		if err != nil {
			return nil, fmt.Errorf("make HTTP client: %w", err)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

package awshttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// Config reads region, credentials and AWS_CA_BUNDLE from a function's
// environment. The SDK's own loader also reads files, asks metadata services
// and signs in; a function needs none of that and is smaller without it. Lambda
// keeps the credentials constant for the lifetime of an execution environment.
func Config(getenv func(string) string) (aws.Config, error) {
	region := getenv("AWS_REGION")
	if region == "" {
		region = getenv("AWS_DEFAULT_REGION")
	}
	if region == "" {
		return aws.Config{}, errors.New("AWS_REGION: not set")
	}
	cfg := aws.Config{Region: region, Credentials: Credentials(getenv), HTTPClient: sdkhttp.NewBuildableClient()}
	if path := getenv(BundleVariable); path != "" {
		client, err := bundleClient(getenv)
		if err != nil {
			return aws.Config{}, err
		}
		cfg.HTTPClient = client
	}
	cfg.HTTPClient = Wrap(cfg.HTTPClient)
	return cfg, nil
}

// Credentials returns the credentials in the environment, or an error with the
// names of the missing variables.
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

// bundleClient returns a client that trusts the bundle instead of the system's
// certificate authorities, as the SDK does with AWS_CA_BUNDLE.
func bundleClient(getenv func(string) string) (*sdkhttp.BuildableClient, error) {
	pool, err := Roots(getenv)
	if err != nil {
		return nil, fmt.Errorf("create HTTP client: %w", err)
	}
	return sdkhttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}), nil
}

// Endpoint returns the endpoint that the environment sets for a service ("S3",
// "KINESIS") or for all services; nil if it sets none.
func Endpoint(getenv func(string) string, service string) *string {
	for _, name := range []string{"AWS_ENDPOINT_URL_" + strings.ToUpper(service), "AWS_ENDPOINT_URL"} {
		if v := getenv(name); v != "" {
			return aws.String(v)
		}
	}
	return nil
}

// NewClient returns a client for a URL that AWS provided. It does not use a
// proxy or follow redirects.
func NewClient(getenv func(string) string) (*http.Client, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	if getenv(BundleVariable) != "" {
		pool, err := Roots(getenv)
		if err != nil {
			return nil, fmt.Errorf("create HTTP client: %w", err)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

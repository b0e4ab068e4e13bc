package awshttp

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Settings of a configuration, from its sources in their order. The SDK's clients read
// them through the same methods.
type (
	ignoring interface {
		GetIgnoreConfiguredEndpoints(context.Context) (bool, bool, error)
	}
	located interface {
		GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
	}
	fips interface {
		GetUseFIPSEndpoint(context.Context) (aws.FIPSEndpointState, bool, error)
	}
	dualStack interface {
		GetUseDualStackEndpoint(context.Context) (aws.DualStackEndpointState, bool, error)
	}
)

// ServiceEndpoint returns the URL of the environment or the AWS configuration, first the
// one for the service ("EC2") and then the one for all services, or the region's own,
// whose name begins with host ("ec2"). It ends with a slash.
func ServiceEndpoint(ctx context.Context, cfg aws.Config, service, host string) (string, error) {
	ignore, err := setting(cfg, func(s ignoring) (bool, bool, error) { return s.GetIgnoreConfiguredEndpoints(ctx) })
	if err != nil {
		return "", err
	}
	if !ignore {
		own, err := setting(cfg, func(s located) (string, bool, error) { return s.GetServiceBaseEndpoint(ctx, service) })
		if err != nil {
			return "", err
		}
		if own != "" {
			return withPath(own), nil
		}
	}
	if cfg.BaseEndpoint != nil {
		return withPath(*cfg.BaseEndpoint), nil
	}
	useFIPS, err := setting(cfg, func(s fips) (aws.FIPSEndpointState, bool, error) { return s.GetUseFIPSEndpoint(ctx) })
	if err != nil {
		return "", err
	}
	useDualStack, err := setting(cfg, func(s dualStack) (aws.DualStackEndpointState, bool, error) { return s.GetUseDualStackEndpoint(ctx) })
	if err != nil {
		return "", err
	}
	return regional(host, cfg.Region, useFIPS == aws.FIPSEndpointStateEnabled, useDualStack == aws.DualStackEndpointStateEnabled), nil
}

// setting returns the value of the first source that sets it; the zero value if none does.
func setting[S, V any](cfg aws.Config, get func(S) (V, bool, error)) (V, error) {
	var none V
	for _, source := range cfg.ConfigSources {
		s, ok := source.(S)
		if !ok {
			continue
		}
		switch v, set, err := get(s); {
		case err != nil:
			return none, fmt.Errorf("read the endpoint: %w", err)
		case set:
			return v, nil
		}
	}
	return none, nil
}

// withPath adds the path that a signature needs.
func withPath(endpoint string) string { return strings.TrimSuffix(endpoint, "/") + "/" }

// regional returns the endpoint of a region, as listed in "Amazon EC2 endpoints and
// quotas" of the AWS General Reference. Those of Systems Manager have the same form.
func regional(host, region string, fips, dualStack bool) string {
	domain := Domain(region)
	if dualStack {
		if domain = "api.aws"; strings.HasPrefix(region, "cn-") {
			domain = "api.amazonwebservices.com.cn"
		}
	}
	// Every endpoint in GovCloud is FIPS 140 validated, and has no second name.
	if fips && (dualStack || !strings.HasPrefix(region, "us-gov-")) {
		host += "-fips"
	}
	return "https://" + host + "." + region + "." + domain + "/"
}

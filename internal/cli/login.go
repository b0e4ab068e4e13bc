package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/failure"
)

const (
	// attempts is the number of tries of a throttled or failed call; with the SDK's
	// backoff that spans minutes.
	attempts = 10
	// maxBackoff bounds the wait between two tries.
	maxBackoff = 20 * time.Second
	// dialTimeout bounds the wait for a connection.
	dialTimeout = 10 * time.Second
)

// session caches awsConfig's result for a region and a profile, so that a verb that
// needs it twice doesn't ask for a second MFA code.
type session struct {
	region, profile string
	config          aws.Config
}

// awsConfig returns the AWS configuration: region, credentials, endpoints, retries. It
// reads the user's AWS configuration, whose files may be pipes, and ends with ctx.
func (a *App) awsConfig(ctx context.Context, v config.Variables) (aws.Config, error) {
	if s := a.session; s != nil && s.region == v.Region && s.profile == a.flags.profile {
		return s.config, nil
	}
	contacts := newContacts(a.notef)
	a.contacts = append(a.contacts, contacts)
	var endpoint *string // of the configuration; known after it was read
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRetryer(newRetryer),
		awsconfig.WithLogger(logging.Nop{}), // its warnings don't help a user
		awsconfig.WithHTTPClient(sdkhttp.NewBuildableClient().WithDialerOptions(contacts.dialer)),
		awsconfig.WithAPIOptions([]func(*middleware.Stack) error{contacts.watch}),
		awsconfig.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = func() (string, error) { return askMFA(ctx, a, aws.ToString(o.SerialNumber)) }
			if c, ok := o.Client.(*sts.Client); ok {
				o.Client = roleClient{c, &endpoint}
			}
		}),
		awsconfig.WithWebIdentityRoleCredentialOptions(func(o *stscreds.WebIdentityRoleOptions) {
			if c, ok := o.Client.(*sts.Client); ok {
				o.Client = roleClient{c, &endpoint}
			}
		}),
	}
	if v.Region != "" {
		options = append(options, awsconfig.WithRegion(v.Region))
	}
	if a.flags.profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(a.flags.profile))
	}
	cfg, err := ask(ctx, func() (aws.Config, error) { return awsconfig.LoadDefaultConfig(ctx, options...) })
	if err != nil {
		if ctx.Err() != nil {
			return cfg, err
		}
		return cfg, &credentialsError{err: err}
	}
	endpoint = cfg.BaseEndpoint
	cfg.ConfigSources = append([]any{environment{a.Getenv}}, cfg.ConfigSources...)
	cfg.HTTPClient = awshttp.Wrap(awshttp.Limit(cfg.HTTPClient, awshttp.MaxResponse))
	if cfg.Credentials != nil {
		cfg.Credentials = login{cfg.Credentials, loginCommand(cfg)}
	}
	if cfg.Region == "" {
		return cfg, &usageError{err: errors.New("no region"), hint: "set --region, Region in variables.yaml, or AWS_REGION"}
	}
	if err := config.CheckRegion(cfg.Region); err != nil {
		return cfg, &usageError{err: fmt.Errorf("region %q of the AWS configuration: %w", cfg.Region, err), hint: "correct AWS_REGION or region in the AWS configuration, or set --region"}
	}
	a.session = &session{region: v.Region, profile: a.flags.profile, config: cfg}
	return cfg, nil
}

// environment is a source of the configuration, for calls without an SDK client: an
// endpoint in the environment, also one for all services, comes before those in files.
type environment struct{ getenv func(string) string }

// GetServiceBaseEndpoint implements an interface of the SDK.
func (e environment) GetServiceBaseEndpoint(_ context.Context, sdkID string) (string, bool, error) {
	own := awshttp.Endpoint(e.getenv, strings.ReplaceAll(sdkID, " ", "_"))
	return aws.ToString(own), own != nil, nil
}

// ownS3 reports whether S3 has a custom endpoint, from the environment or the AWS
// configuration. Such a host has no name for each bucket.
func ownS3(cfg aws.Config) bool { return s3.NewFromConfig(cfg).Options().BaseEndpoint != nil }

// newRetryer has no retry quota, which the SDK's retryer has: with every third call
// throttled, the quota would run out and a throttled call would fail.
func newRetryer() aws.Retryer {
	backoff := retry.NewExponentialJitterBackoff(maxBackoff)
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.RateLimiter = attempts, ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, err error) (time.Duration, error) {
			if unreached := (*contactError)(nil); errors.As(err, &unreached) {
				return unreached.wait, nil
			}
			return backoff.BackoffDelay(attempt, err)
		})
	})
}

// roleClient assumes a role at the configured endpoint. The SDK makes its client for a
// role before it knows the endpoint for all services.
type roleClient struct {
	*sts.Client
	endpoint **string
}

func (c roleClient) configured(o *sts.Options) {
	if o.BaseEndpoint == nil {
		o.BaseEndpoint = *c.endpoint
	}
}

func (c roleClient) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, options ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	return c.Client.AssumeRole(ctx, in, append(options, c.configured)...)
}

func (c roleClient) AssumeRoleWithWebIdentity(ctx context.Context, in *sts.AssumeRoleWithWebIdentityInput, options ...func(*sts.Options)) (*sts.AssumeRoleWithWebIdentityOutput, error) {
	return c.Client.AssumeRoleWithWebIdentity(ctx, in, append(options, c.configured)...)
}

// login returns the credentials of next. Its errors have a class. Reading a file or
// waiting for another program ends with the context.
type login struct {
	next aws.CredentialsProvider
	// command logs the profile in, such as "aws sso login"; empty for a profile without
	// a login.
	command string
}

func (l login) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := ask(ctx, func() (aws.Credentials, error) { return l.next.Retrieve(ctx) })
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	err = loginError(err)
	if known := (*credentialsError)(nil); errors.As(err, &known) {
		known.command = l.command
	}
	return c, err
}

// loginCommand returns the command that logs in the profile, or the profile that its
// role is based on.
func loginCommand(cfg aws.Config) string {
	for _, source := range cfg.ConfigSources {
		profile, ok := source.(awsconfig.SharedConfig)
		for of := &profile; ok && of != nil; of = of.Source {
			switch {
			case of.SSOSessionName != "" || of.SSOAccountID != "":
				return "aws sso login"
			case of.LoginSession != "":
				return "aws login"
			}
		}
	}
	return ""
}

// loginError classifies the failure of the first call, which needs no permission: the
// network or the credentials.
func loginError(err error) error {
	var network *api.NetworkError
	var known *credentialsError
	switch {
	case errors.As(err, &network):
		return network
	case errors.As(err, &known):
		return known
	}
	if rejected := (*deploy.CredentialsError)(nil); errors.As(err, &rejected) {
		err = rejected.Err // credentialsError has the same text
	}
	return &credentialsError{err: err}
}

// credentialsError reports credentials that are missing, that can't be fetched, or that
// AWS rejects.
type credentialsError struct {
	err     error
	command string // logs in; may be empty
}

func (e *credentialsError) Error() string { return "use AWS credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// RetryableError keeps the SDK from retrying.
func (e *credentialsError) RetryableError() bool { return false }

// Class implements failure.Classified.
func (e *credentialsError) Class() failure.Class { return failure.Credentials }

// Hint depends on the type of the cause, never on its text, which may contain names
// that the user chose.
func (e *credentialsError) Hint() string {
	var (
		mfa      *mfaError
		profile  awsconfig.SharedConfigProfileNotExistError
		file     awsconfig.SharedConfigLoadError
		role     awsconfig.SharedConfigAssumeRoleError
		program  *processcreds.ProviderError
		call     *smithy.OperationError
		rejected smithy.APIError
	)
	switch {
	case errors.As(e.err, &mfa):
		return mfa.Hint()
	case errors.As(e.err, &profile):
		return "`aws configure list-profiles` lists the profiles; choose one with --profile or AWS_PROFILE"
	case errors.As(e.err, &file), errors.As(e.err, &role):
		return "correct the AWS configuration: `aws configure list` reads it too"
	case e.command != "" && (!errors.As(e.err, &call) || call.Service() != "STS"):
		return "log in again with `" + e.command + "`, and the same --profile"
	case errors.As(e.err, &program):
		return "the profile's credential_process failed: run that command to see why"
	case errors.As(e.err, &rejected):
		return credentialsHint(rejected.ErrorCode())
	}
	return noCredentials
}

const noCredentials = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure`"

// askMFA asks for the code of a profile whose role needs one.
func askMFA(ctx context.Context, a *App, device string) (string, error) {
	if _, ok := terminal(a.Stdin); !ok {
		return "", &mfaError{device: device}
	}
	defer a.view.pause()()
	a.promptf("MFA code of %s: ", device)
	code, err := a.askLine(ctx)
	if err != nil {
		return "", fmt.Errorf("read MFA code: %w", err)
	}
	return code, nil
}

// mfaError reports a profile that needs an MFA code without a terminal to ask on.
type mfaError struct{ device string }

func (e *mfaError) Error() string {
	return "the profile needs an MFA code of " + e.device + ", and standard input is not a terminal"
}

// Hint implements the command line's hints.
func (e *mfaError) Hint() string {
	return "get session credentials on a terminal, `aws configure export-credentials --format env`, and set these variables instead of the profile"
}

package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/template"
)

// attempts is how often a throttled or failed call is tried; with the SDK's
// backoff that spans minutes.
const attempts = 10

// login reads the variables and logs in: what every verb begins with that
// works on a stack.
func (a *App) login(ctx context.Context) (config.Variables, *deploy.Operator, error) {
	v, err := a.load(ctx)
	if err != nil {
		return v, nil, err
	}
	op, err := a.operator(ctx, v)
	return v, op, err
}

// awsConfig says how to reach AWS: region, credentials, retries.
func (a *App) awsConfig(ctx context.Context, v config.Variables) (aws.Config, error) {
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRetryer(func() aws.Retryer {
			// Without the SDK's budget of retries: where every third call is throttled
			// it would be used up, and a throttled call a failed one.
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.RateLimiter = attempts, ratelimit.None })
		}),
		awsconfig.WithLogger(logging.Nop{}), // its warnings aren't for who deploys
	}
	if v.Region != "" {
		options = append(options, awsconfig.WithRegion(v.Region))
	}
	if a.flags.profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(a.flags.profile))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return cfg, &deploy.CredentialsError{Err: err}
	}
	if cfg.HTTPClient == nil { // the SDK's clients make one each; our calls of the API need it too
		cfg.HTTPClient = sdkhttp.NewBuildableClient()
	}
	cfg.HTTPClient = awshttp.Wrap(cfg.HTTPClient)
	if cfg.Region == "" {
		return cfg, &usageError{err: errors.New("no region"), hint: "name one with --region, Region in variables.yaml, or AWS_REGION"}
	}
	return cfg, nil
}

// operator logs in and gives what works on the stack. Nothing has been changed
// when it fails.
func (a *App) operator(ctx context.Context, v config.Variables) (*deploy.Operator, error) {
	cfg, err := a.awsConfig(ctx, v)
	if err != nil {
		return nil, err
	}
	clients := deploy.NewClients(cfg, a.Getenv("AWS_ENDPOINT_URL") != "" || a.Getenv("AWS_ENDPOINT_URL_S3") != "")
	caller, err := deploy.Identify(ctx, clients.Identity, cfg.Region)
	if err != nil {
		return nil, err
	}
	if v.Account != "" && v.Account != caller.Account {
		return nil, &deploy.AccountError{Want: v.Account, Got: caller.Account}
	}
	poll := a.Poll
	if poll == 0 {
		poll = 3 * time.Second
	}
	return &deploy.Operator{Clients: clients, Caller: caller, Report: a.report, Poll: poll, Token: token, Interrupted: a.interrupted,
		CustomLog: template.LogGroup(v.StackName, contract.FuncSchema)}, nil
}

// token is unique, so that a repeated call is known for what it is.
func token() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// artifactBucket is where the functions' code goes.
func artifactBucket(v config.Variables, caller deploy.Caller) string {
	if v.ArtifactBucket != "" {
		return v.ArtifactBucket
	}
	return template.ArtifactBucketName(caller.Account, caller.Region)
}

// checkRegion refuses a region where the platform would not work, or that the
// template has no entry for.
func (a *App) checkRegion(v config.Variables) error {
	var problems []config.Problem
	if !awshttp.HasRootsOf(v.Region) {
		problems = append(problems, config.Problem{Key: "Region", What: fmt.Sprintf(
			"%q: the functions hold no certificate authority of RDS there, so they could not verify the database; choose another, or add its \"Amazon RDS %s Root CA\" to internal/awshttp/roots/rds.pem of a checkout and deploy from there", v.Region, v.Region)})
	}
	if v.S3PrefixListId == "" && !template.KnownRegion(v.Region) {
		problems = append(problems, config.Problem{Key: "S3PrefixListId", What: "needed in " + v.Region +
			", whose S3 prefix list isn't built in: `aws ec2 describe-managed-prefix-lists --region " + v.Region + " --filters Name=prefix-list-name,Values=com.amazonaws." + v.Region + ".s3` shows it"})
	}
	if len(problems) > 0 {
		return &config.InvalidError{File: a.flags.variables, Problems: problems}
	}
	return nil
}

package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/template"
)

// login reads the variables and checks the credentials, as every verb that works on a
// stack must do first.
func (a *App) login(ctx context.Context) (config.Variables, *deploy.Operator, error) {
	v, err := a.load(ctx)
	if err != nil {
		return v, nil, err
	}
	op, err := a.operator(ctx, v)
	return v, op, err
}

// loginToStack is login for a verb that needs the stack, which must exist.
func (a *App) loginToStack(ctx context.Context) (config.Variables, *deploy.Operator, stack.Stack, error) {
	v, op, err := a.login(ctx)
	if err != nil {
		return v, nil, stack.Stack{}, err
	}
	found, err := op.Describe(ctx, v.StackName)
	if errors.Is(err, stack.ErrNotFound) {
		err = &noStackError{err}
	}
	return v, op, found, err
}

// operator checks the credentials and returns the operator for the stack. It changes
// nothing.
func (a *App) operator(ctx context.Context, v config.Variables) (*deploy.Operator, error) {
	cfg, err := a.awsConfig(ctx, v)
	if err != nil {
		return nil, err
	}
	clients := deploy.NewClients(cfg, ownS3(cfg))
	caller, err := deploy.Identify(ctx, clients.STS, cfg.Region)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, loginError(err)
	}
	if v.Account != "" && v.Account != caller.Account {
		return nil, &deploy.AccountError{Want: v.Account, Got: caller.Account}
	}
	poll := a.Poll
	if poll == 0 {
		poll = 3 * time.Second
	}
	return &deploy.Operator{Clients: clients, Caller: caller, Report: a.view.report, Poll: poll, Token: token, Interrupted: func(ctx context.Context, op string) (bool, context.Context) { return askCancel(ctx, a, op) },
		Layout: layout(v), Expect: a.view.expect}, nil
}

// layout lists the stack's parts that operations work on.
func layout(v config.Variables) deploy.Layout {
	return deploy.Layout{
		StatefulTypes: template.StatefulTypes(), AlarmTopic: template.OutputAlarmTopic, SchemaLog: template.LogGroup(v.StackName, contract.FuncSchema),
		Outputs: pipeline.Outputs{
			API: template.OutputAPI, StageURL: template.OutputStageURL, Stream: template.OutputStream, Archive: template.OutputArchive,
			Consumers: template.ConsumerOutputs(),
		},
	}
}

// token returns a unique client request token, so that AWS recognizes a repeated call.
func token() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// artifactBucket returns the name of the bucket for the functions' code.
func artifactBucket(v config.Variables, caller stack.Caller) string {
	if v.ArtifactBucket != "" {
		return v.ArtifactBucket
	}
	return template.ArtifactBucketName(caller.Account, caller.Region)
}

// checkRegion rejects a region that the platform or the template does not support.
func checkRegion(a *App, v config.Variables) error {
	var problems []config.Problem
	if !awshttp.HasRootsOf(v.Region) {
		problems = append(problems, config.Problem{Key: "Region", What: fmt.Sprintf(
			"%q: the functions hold no certificate authority of RDS there, so they could not verify the database; choose another, or add its \"Amazon RDS %s Root CA\" to internal/awshttp/roots/rds.pem of a checkout and deploy from there", v.Region, v.Region)})
	}
	if v.S3PrefixListId == "" && !template.KnownRegion(v.Region) {
		problems = append(problems, config.Problem{Key: "S3PrefixListId", What: "needed in " + v.Region +
			", whose S3 prefix list is not built in: `aws ec2 describe-managed-prefix-lists --region " + v.Region + " --filters Name=prefix-list-name,Values=com.amazonaws." + v.Region + ".s3` shows it"})
	}
	if len(problems) > 0 {
		return &config.InvalidError{File: a.flags.variables, Problems: problems}
	}
	return nil
}

// Package deploy creates, updates and deletes a stack. Each operation is an ordered
// list of named steps; the packages below do the work. It takes a rendered template
// and knows nothing of the resources in it: their names and types are arguments.
package deploy

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/streamctl/streamctl/internal/deploy/code"
	"github.com/streamctl/streamctl/internal/deploy/database"
	"github.com/streamctl/streamctl/internal/deploy/key"
	"github.com/streamctl/streamctl/internal/deploy/leftovers"
	"github.com/streamctl/streamctl/internal/deploy/pipeline"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/ec2"
)

// Clients are the AWS services that operations use.
type Clients struct {
	CloudFormation *cfn.Client
	// Polls is CloudFormation without retries after a network error: following an
	// operation has its own retries.
	Polls        *cfn.Client
	S3           *s3.Client
	STS          *sts.Client
	Lambda       *lambda.Client
	RDS          *rds.Client
	APIGateway   *apigateway.Client
	APIGatewayV2 *apigatewayv2.Client
	IAM          *iam.Client
	Logs         *cloudwatchlogs.Client
	CloudWatch   *cloudwatch.Client
	EC2          *ec2.Client
	SNS          *sns.Client
	KMS          *kms.Client
}

// NewClients returns the clients for an account and region. A custom endpoint needs
// pathStyle: it has no host name per bucket.
func NewClients(cfg aws.Config, pathStyle bool) Clients {
	return Clients{
		CloudFormation: cfn.NewFromConfig(cfg),
		Polls:          cfn.NewFromConfig(cfg, func(o *cfn.Options) { o.Retryer = answeredRetryer{o.Retryer} }),
		S3:             s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = pathStyle }),
		STS:            sts.NewFromConfig(cfg),
		Lambda:         lambda.NewFromConfig(cfg),
		RDS:            rds.NewFromConfig(cfg),
		APIGateway:     apigateway.NewFromConfig(cfg),
		APIGatewayV2:   apigatewayv2.NewFromConfig(cfg),
		IAM:            iam.NewFromConfig(cfg),
		Logs:           cloudwatchlogs.NewFromConfig(cfg),
		CloudWatch:     cloudwatch.NewFromConfig(cfg),
		EC2:            ec2.NewFromConfig(cfg),
		SNS:            sns.NewFromConfig(cfg),
		KMS:            kms.NewFromConfig(cfg),
	}
}

// answeredRetryer retries only calls that got a response.
type answeredRetryer struct{ aws.Retryer }

func (r answeredRetryer) IsErrorRetryable(err error) bool {
	return !stack.IsUnreachable(err) && r.Retryer.IsErrorRetryable(err)
}

// Layout lists the parts of the stack that operations use.
type Layout struct {
	// StatefulTypes are the resource types whose loss is a loss of data.
	StatefulTypes []string
	// Outputs locate the pipeline.
	Outputs pipeline.Outputs
	// AlarmTopic is the output with the ARN of the alarm topic.
	AlarmTopic string
	// SchemaLog is the log group of the function behind the custom resource; empty
	// disables reading it.
	SchemaLog string
}

// Operator carries out operations on stacks.
type Operator struct {
	Clients
	Caller stack.Caller
	Layout Layout
	// Report receives each progress event, in order, from one goroutine at a time.
	Report func(stack.Event)
	// Expect receives the types of the resources that an operation ("create", "update",
	// "delete") will touch, by logical id, before it begins. May be nil.
	Expect func(operation string, types map[string]string)
	// Poll is the longest pause between two polls of a stack, 3 s in production; a
	// third of that while resources change.
	Poll time.Duration
	// Token returns the end of a request token, different in each call.
	Token func() string
	// Now returns the time; nil uses AWS's clock, as far as it is known.
	Now func() time.Time
	// Interrupted is asked once, when the context ends while an operation runs in
	// AWS: see stack.Client.
	Interrupted func(ctx context.Context, op string) (cancel bool, until context.Context)
}

// parts are the subpackages' types for one operation.
type parts struct {
	stack.Session
	stacks    *stack.Client
	pipeline  *pipeline.Pipeline
	databases *database.Databases
	leftovers *leftovers.Leftovers
	keys      *key.Keys
	buckets   *s3.Client
	layout    Layout
	expect    func(string, map[string]string)
	// skipped is the step that a destroy skips.
	skipped string
}

func (o *Operator) parts() parts {
	session := stack.Session{Caller: o.Caller, Report: o.Report, Poll: o.Poll, Clock: &stack.Clock{Fixed: o.Now}}
	p := parts{Session: session, buckets: o.S3, layout: o.Layout, expect: o.Expect}
	p.stacks = &stack.Client{Session: session, API: o.CloudFormation, Token: o.Token, StatefulTypes: o.Layout.StatefulTypes, Interrupted: o.Interrupted,
		FailureLog: failureLog{o.Logs, o.Layout.SchemaLog}.lines}
	if o.Polls != nil {
		p.stacks.PollAPI = o.Polls
	}
	p.pipeline = &pipeline.Pipeline{Session: session, Stages: o.APIGateway, Functions: o.Lambda, Buckets: o.S3, Metrics: o.CloudWatch}
	p.databases = &database.Databases{Session: session, API: o.RDS}
	p.leftovers = &leftovers.Leftovers{Session: session, Gateway: o.APIGateway, WebSockets: o.APIGatewayV2, Roles: o.IAM, Logs: o.Logs, Interfaces: o.EC2}
	p.keys = &key.Keys{Session: session, API: o.KMS}
	if p.expect == nil {
		p.expect = func(string, map[string]string) {}
	}
	return p
}

// store is the artifact bucket.
func (p parts) store(bucket string) *code.Store {
	return &code.Store{Session: p.Session, API: p.buckets, Bucket: bucket}
}

// step is a step of an operation.
type step struct {
	// name is an imperative phrase, for docs/architecture.md.
	name string
	// run performs the step. done ends the operation with success.
	run func(context.Context) (done bool, err error)
}

// runSteps runs steps in order.
func runSteps(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if done, err := s.run(ctx); done || err != nil {
			return err
		}
	}
	return nil
}

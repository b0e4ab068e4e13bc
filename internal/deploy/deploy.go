// Package deploy operates the stack: it creates, updates, watches and deletes
// it, uploads what it needs, and says why something failed. It takes rendered
// bytes and knows nothing of what is in them.
package deploy

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
)

// Clients are the AWS services that operations use.
type Clients struct {
	Stacks     *cfn.Client
	Buckets    *s3.Client
	Identity   *sts.Client
	Functions  *lambda.Client
	Databases  *rds.Client
	Gateway    *apigateway.Client
	WebSockets *apigatewayv2.Client
	Roles      *iam.Client
	Logs       *cloudwatchlogs.Client
	Metrics    *cloudwatch.Client
	Networks   *ec2.Client
}

// NewClients makes the clients for an account and region. pathStyle is for an
// endpoint of one's own, which has no name for each bucket.
func NewClients(cfg aws.Config, pathStyle bool) Clients {
	return Clients{
		Stacks:     cfn.NewFromConfig(cfg),
		Buckets:    s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = pathStyle }),
		Identity:   sts.NewFromConfig(cfg),
		Functions:  lambda.NewFromConfig(cfg),
		Databases:  rds.NewFromConfig(cfg),
		Gateway:    apigateway.NewFromConfig(cfg),
		WebSockets: apigatewayv2.NewFromConfig(cfg),
		Roles:      iam.NewFromConfig(cfg),
		Logs:       cloudwatchlogs.NewFromConfig(cfg),
		Metrics:    cloudwatch.NewFromConfig(cfg),
		Networks:   ec2.NewFromConfig(cfg),
	}
}

// Operator carries out operations on one stack.
type Operator struct {
	Clients
	// Caller is whose account and region the stack is in.
	Caller Caller
	// Report is told what happens, in order, from one goroutine at a time.
	Report func(Event)
	// Poll is the longest wait between two looks at a stack, 3 s in production;
	// where something happens it is a third of that.
	Poll time.Duration
	// Token makes the end of a request token; every call is unique.
	Token func() string
	// CustomLog is the log group of the function behind the custom resource;
	// empty shows none.
	CustomLog string
	// Now is the time; nil is AWS's, as far as it is known.
	Now func() time.Time
	// Interrupted is asked once, when an operation that runs in AWS is
	// interrupted ("create", "update", "delete" or another "operation"): whether
	// to cancel it, and the context whose end leaves it running. Nil leaves it
	// running at once.
	Interrupted func(ctx context.Context, op string) (cancel bool, until context.Context)

	skew time.Duration
}

// Kind says what an Event is about.
type Kind string

// Kinds of events.
const (
	// KindStep is a step of ours, such as an upload.
	KindStep Kind = "step"
	// KindResource is a resource of the stack that changed its status.
	KindResource Kind = "resource"
	// KindWaiting is a wait for something that isn't a resource; it lasts until
	// the next event.
	KindWaiting Kind = "waiting"
)

// Event is something that happened during an operation.
type Event struct {
	Kind Kind      `json:"kind"`
	Time time.Time `json:"time,omitzero"`
	// Text is what a step does, or what is waited for.
	Text string `json:"text,omitempty"`
	// LogicalID, Type, PhysicalID, Status and Reason describe a resource.
	LogicalID  string `json:"logicalId,omitempty"`
	Type       string `json:"type,omitempty"`
	PhysicalID string `json:"physicalId,omitempty"`
	Status     string `json:"status,omitempty"`
	Reason     string `json:"reason,omitempty"`
	// Log are the last lines of the function behind a custom resource that failed.
	Log []string `json:"log,omitempty"`

	id    string
	token string
}

// Failed says that the resource's operation failed.
func (e Event) Failed() bool { return strings.HasSuffix(e.Status, "_FAILED") }

// Consequence says that it failed only because something else did.
func (e Event) Consequence() bool { return consequence(e.Reason) }

func (o *Operator) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now().Add(o.skew)
}

// learnClock reads how far AWS's clock is ahead of this machine's from an answer:
// what is compared with AWS's times has to be by that clock.
func (o *Operator) learnClock(answer middleware.Metadata) {
	if skew, ok := awsmiddleware.GetAttemptSkew(answer); ok {
		o.skew = skew
	}
}

func (o *Operator) step(text string) { o.Report(Event{Kind: KindStep, Text: text}) }

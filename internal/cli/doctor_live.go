package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/google/uuid"

	"github.com/streamctl/streamctl/internal/checkup"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/health"
	"github.com/streamctl/streamctl/internal/health/stackmetrics"
	"github.com/streamctl/streamctl/internal/stacktemplate"
)

type doctorOptions struct {
	source         string
	live, noCanary bool
	canaryTimeout  time.Duration
}

func (o doctorOptions) check() error {
	switch {
	case o.noCanary && !o.live, o.canaryTimeout != 0 && !o.live:
		return &usageError{err: errors.New("--no-canary and --canary-timeout need --live")}
	case o.canaryTimeout != 0 && o.canaryTimeout < time.Second:
		return &usageError{err: fmt.Errorf("--canary-timeout %s: want at least 1s", o.canaryTimeout)}
	}
	return nil
}

// errNotWell ends a doctor --live with a failed check.
var errNotWell = errors.New("the platform is not healthy, or a deploy would fail: fix the checks marked FAIL")

const (
	// canaryTimeout is the default time until a canary must be queryable, slowCanary that
	// from which it is a warning: StreamLagAlarm's threshold.
	canaryTimeout = 2 * time.Minute
	slowCanary    = time.Minute
	// canaryEvery is the pause between two queries for a canary.
	canaryEvery = time.Second
)

// examineLive runs the checks of the running stack, or of the account before a deploy.
// Without variables or credentials it returns nothing: examine has reported that.
func examineLive(ctx context.Context, a *App, o doctorOptions) (out []finding, err error) {
	v, op, err := a.login(ctx)
	if err != nil {
		return nil, ctx.Err()
	}
	t := checkup.Target{Account: op.Caller.Account, Region: op.Caller.Region, Partition: op.Caller.Partition(), Caller: op.Caller.ARN}
	s, err := op.Inspect(ctx, v.StackName)
	var checks []checkup.Check
	switch {
	case errors.Is(err, stack.ErrNotFound):
		if checks, err = checksBefore(ctx, a, v, op, t); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, ctx.Err() // examine has reported it
	default:
		t.Stack, t.Resources = s.Stack, withProperties(s)
		if checks, err = checksLive(ctx, a, v, op, t, o); err != nil {
			return nil, err
		}
		a.notef("Examining the stack. Drift detection takes a few minutes.")
	}
	err = checkup.Run(ctx, checks, func(r checkup.Result) {
		out = append(out, finding{Check: r.Check, OK: r.Status != checkup.Fail, Warning: r.Status == checkup.Warn, Detail: r.Detail, Remedy: r.Remedy})
	})
	return out, err
}

// checksLive are the checks of a running stack, the fast ones first.
func checksLive(ctx context.Context, a *App, v config.Variables, op *deploy.Operator, t checkup.Target, o doctorOptions) ([]checkup.Check, error) {
	cfg, err := a.awsConfig(ctx, v)
	if err != nil {
		return nil, err
	}
	documents, err := policyDocuments(ctx, a, v, op)
	if err != nil {
		return nil, err
	}
	streams := kinesis.NewFromConfig(cfg)
	checks := []checkup.Check{
		checkup.Clock(op.STS),
		checkup.Alarms(func(ctx context.Context) (*health.Alarms, error) {
			return stackmetrics.Alarms(ctx, op.CloudWatch, t.Platform().Alarms)
		}),
		checkup.Subscribers(func(ctx context.Context) (int, string, error) {
			r, err := op.AlarmReceivers(ctx, t.Stack)
			if err != nil {
				return 0, "", err
			}
			warning, _ := alarmWarning(ctx, op, v, t.Stack)
			return r.Confirmed, warning, nil
		}),
		checkup.Key(op.KMS, t), checkup.Database(op.RDS, t, time.Now()), checkup.DatabaseTLS(op.RDS, t), checkup.Stream(streams, t), checkup.Archive(op.S3, t),
		checkup.Cache(elasticache.NewFromConfig(cfg), t), checkup.APITLS(op.APIGateway, t), checkup.Functions(op.Lambda, t), checkup.Roles(op.IAM, t),
		lambdaQuota(op), checkup.KinesisQuota(streams, checkup.Need{}), checkup.RDSQuota(op.RDS, checkup.Need{}),
		checkup.Permissions(op.IAM, t, documents),
	}
	if !o.noCanary {
		client, err := stackAPI(ctx, a)
		if err != nil {
			return nil, err
		}
		checks = append(checks, checkup.Canary{API: client, SendPolicy: t.Stack.Outputs["SendEventsPolicyArn"], ReadPolicy: t.Stack.Outputs["ReadMetricsPolicyArn"],
			ID: uuid.NewString(), Every: canaryEvery, Timeout: cmp.Or(o.canaryTimeout, canaryTimeout), Slow: slowCanary}.Check())
	}
	return append(checks, checkup.Drift(op.CloudFormation, t, op.Poll)), nil
}

// checksBefore are the checks of an account without the stack.
func checksBefore(ctx context.Context, a *App, v config.Variables, op *deploy.Operator, t checkup.Target) ([]checkup.Check, error) {
	cfg, err := a.awsConfig(ctx, v)
	if err != nil {
		return nil, err
	}
	built, _, err := buildTemplate(a, v)
	if err != nil {
		return nil, err
	}
	text, err := built.YAML()
	if err != nil {
		return nil, &invalidError{err: err}
	}
	properties, err := stacktemplate.Texts(text)
	if err != nil {
		return nil, err
	}
	documents, err := policyDocuments(ctx, a, v, op)
	if err != nil {
		return nil, err
	}
	names, need := checkup.NamesOf(properties, v.StackName), checkup.Need{Shards: v.ShardCount, Instances: 1 + v.ReadReplicas, VPCs: 1}
	if v.StreamMode == config.StreamOnDemand {
		need.Shards = 0
	}
	return []checkup.Check{
		checkup.Clock(op.STS), checkup.Zones(op.EC2, v.AvailabilityZones), checkup.ArtifactBucket(op.S3, t, artifactBucket(v, op.Caller)),
		checkup.FreeLogGroups(op.Logs, names), checkup.FreeAliases(op.KMS, names), checkup.VPCQuota(op.EC2, need), lambdaQuota(op),
		checkup.KinesisQuota(kinesis.NewFromConfig(cfg), need), checkup.RDSQuota(op.RDS, need), checkup.Permissions(op.IAM, t, documents),
	}, nil
}

// lambdaQuota compares the account's limit with the largest use of the last hour.
func lambdaQuota(op *deploy.Operator) checkup.Check {
	return checkup.LambdaQuota(op.Lambda, func(ctx context.Context) (most float64, ok bool) {
		now := time.Now()
		q := health.Query{Namespace: "AWS/Lambda", Name: "ConcurrentExecutions", Statistic: "Maximum"}
		found, err := stackmetrics.Series(ctx, op.CloudWatch, []health.Query{q}, health.Since(now), now)
		if err != nil || found[q].Unknown != "" {
			return 0, false
		}
		for _, x := range found[q].Values {
			most = max(most, x)
		}
		return most, true
	})
}

// withProperties returns the stack's resources with the properties of its template.
func withProperties(s deploy.Inspection) (out []health.Resource) {
	properties, err := stacktemplate.Parse(s.Template)
	if err != nil {
		properties = nil // every check on a property fails then, and names it
	}
	for _, r := range s.Resources {
		if r.Exists() {
			out = append(out, health.Resource{LogicalID: r.LogicalID, Type: r.Type, PhysicalID: r.PhysicalID, Properties: properties[r.LogicalID].Properties})
		}
	}
	return out
}

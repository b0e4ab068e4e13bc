package checkup

import (
	"context"
	"fmt"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/streamctl/streamctl/internal/ec2"
)

const (
	// newAccount is the number of concurrent executions of a new account.
	newAccount = 10
	// headroom is the part of a quota, in percent, above which its use is a warning.
	headroom = 80
)

// Need has the resources that a deploy adds to the use of the account; zero for an existing stack.
type Need struct{ Shards, Instances, VPCs int }

// judge compares a use with its limit. added is the use of a deploy.
func judge(check, what, remedy string, used, added, limit int) []Result {
	text := fmt.Sprintf("%s: %d of %d used", what, used, limit)
	if added > 0 {
		text += fmt.Sprintf(", a deploy adds %d", added)
	}
	switch {
	case used+added > limit, added == 0 && used >= limit:
		return problem(check, Fail, remedy, "%s", text)
	case (used+added)*100 > limit*headroom:
		return problem(check, Warn, remedy, "%s", text)
	}
	return ok(check, "%s", text)
}

// LambdaQuota checks the number of concurrent executions. used returns the largest number
// of the last hour; ok is false if it is unknown.
func LambdaQuota(api FunctionAPI, used func(context.Context) (most float64, ok bool)) Check {
	const check = "Lambda quota"
	const remedy = "`aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000`"
	return Check{check, "lambda:GetAccountSettings", func(ctx context.Context) ([]Result, error) {
		out, err := api.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
		if err != nil {
			return nil, fmt.Errorf("read Lambda's limits: %w", err)
		}
		if out.AccountLimit == nil {
			return nil, fmt.Errorf("read Lambda's limits: %w", errNoAnswer)
		}
		limit := int(out.AccountLimit.ConcurrentExecutions)
		if limit <= newAccount {
			return problem(check, Warn, remedy, "%d concurrent executions for all functions of the account, as in a new account: consumers and requests throttle each other", limit), nil
		}
		most, known := used(ctx)
		if !known {
			return ok(check, "%d concurrent executions", limit), nil
		}
		return judge(check, "concurrent executions in the last hour", remedy, int(math.Ceil(most)), 0, limit), nil
	}}
}

// KinesisQuota checks the number of shards.
func KinesisQuota(api StreamAPI, n Need) Check {
	return Check{"Kinesis quota", "kinesis:DescribeLimits", func(ctx context.Context) ([]Result, error) {
		out, err := api.DescribeLimits(ctx, &kinesis.DescribeLimitsInput{})
		if err != nil {
			return nil, fmt.Errorf("read Kinesis's limits: %w", err)
		}
		return judge("Kinesis quota", "shards", "`aws service-quotas list-service-quotas --service-code kinesis` shows the quota; request more, or use fewer shards",
			int(aws.ToInt32(out.OpenShardCount)), n.Shards, int(aws.ToInt32(out.ShardLimit))), nil
	}}
}

// RDSQuota checks the number of instances.
func RDSQuota(api DatabaseAPI, n Need) Check {
	const check = "RDS quota"
	return Check{check, "rds:DescribeAccountAttributes", func(ctx context.Context) ([]Result, error) {
		out, err := api.DescribeAccountAttributes(ctx, &rds.DescribeAccountAttributesInput{})
		if err != nil {
			return nil, fmt.Errorf("read RDS's limits: %w", err)
		}
		for _, q := range out.AccountQuotas {
			if aws.ToString(q.AccountQuotaName) == "DBInstances" {
				return judge(check, "instances", "`aws service-quotas request-service-quota-increase --service-code rds --quota-code L-7B6409FD --desired-value …`, or delete an instance",
					int(aws.ToInt64(q.Used)), n.Instances, int(aws.ToInt64(q.Max))), nil
			}
		}
		return problem(check, Warn, "`aws rds describe-account-attributes`", "RDS reports no quota of instances"), nil
	}}
}

// RegionAPI reads zones and VPCs; *ec2.Client satisfies it.
type RegionAPI interface {
	Zones(context.Context) ([]ec2.Zone, error)
	VPCs(context.Context) (int, error)
}

var _ RegionAPI = (*ec2.Client)(nil)

// defaultVPCs is the number of VPCs per region unless AWS has raised the quota, which EC2
// itself does not report.
const defaultVPCs = 5

// VPCQuota checks the number of VPCs before a deploy. More than the default quota is a
// warning: it may have been raised.
func VPCQuota(api RegionAPI, n Need) Check {
	const check = "VPC quota"
	const remedy = "`aws service-quotas get-service-quota --service-code vpc --quota-code L-F678F1CE` shows the quota; request more, or delete an unused VPC"
	return Check{check, "ec2:DescribeVpcs", func(ctx context.Context) ([]Result, error) {
		used, err := api.VPCs(ctx)
		if err != nil {
			return nil, err
		}
		if used+n.VPCs > defaultVPCs {
			return problem(check, Warn, remedy, "%d VPCs, a deploy adds %d, and the default quota is %d", used, n.VPCs, defaultVPCs), nil
		}
		return ok(check, "%d VPCs of at least %d, a deploy adds %d", used, defaultVPCs, n.VPCs), nil
	}}
}

// Zones checks that the region has the availability zones of the variables.
func Zones(api RegionAPI, want int) Check {
	return Check{"zones", "ec2:DescribeAvailabilityZones", func(ctx context.Context) ([]Result, error) {
		zones, err := api.Zones(ctx)
		if err != nil {
			return nil, err
		}
		n := 0
		for _, z := range zones {
			if z.State == "available" {
				n++
			}
		}
		if n < want {
			return problem("zones", Fail, "lower AvailabilityZones, or choose another region", "%d availability zones, want %d", n, want), nil
		}
		return ok("zones", "%d availability zones, %d are used", n, want), nil
	}}
}

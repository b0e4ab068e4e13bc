package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// sweepLogs deletes the log groups that services made again, or by themselves,
// for what the stack held: Lambda writes a last line after its group was
// deleted, API Gateway keeps execution logs, RDS its exports. Each is found by
// the exact name of a resource that was the stack's, also of one that an earlier
// attempt deleted: by the stack's name alone those of a stack whose name begins
// alike would be found too.
func (o *Operator) sweepLogs(ctx context.Context, p Plan) error {
	var exact []string
	for _, r := range everOf(p.Resources, "AWS::Logs::LogGroup") {
		exact = append(exact, r.PhysicalID)
	}
	for _, r := range everOf(p.Resources, "AWS::Lambda::Function") { // where Lambda logs by itself
		if name := "/aws/lambda/" + r.PhysicalID; !slices.Contains(exact, name) {
			exact = append(exact, name)
		}
	}
	var prefixes []string
	for _, r := range everOf(p.Resources, "AWS::ApiGateway::RestApi") {
		prefixes = append(prefixes, "API-Gateway-Execution-Logs_"+r.PhysicalID+"/")
	}
	for _, r := range everOf(p.Resources, typeInstance) {
		prefixes = append(prefixes, "/aws/rds/instance/"+r.PhysicalID+"/")
	}
	var errs []error
	for _, prefix := range append(slices.Clone(exact), prefixes...) {
		pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(o.Logs, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				errs = append(errs, fmt.Errorf("look for log groups %s: %w", prefix, err))
				break
			}
			for _, g := range page.LogGroups {
				name := aws.ToString(g.LogGroupName)
				if slices.Contains(exact, prefix) && name != prefix { // another's that begins alike
					continue
				}
				errs = append(errs, o.deleteLogs(ctx, name))
			}
		}
	}
	return errors.Join(errs...)
}

func (o *Operator) deleteLogs(ctx context.Context, name string) error {
	o.step("deleting log group " + name + ", which came again")
	_, err := o.Logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &name})
	var gone *types.ResourceNotFoundException
	if err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("delete log group %s: %w", name, err)
	}
	return nil
}

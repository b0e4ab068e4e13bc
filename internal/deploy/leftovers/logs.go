package leftovers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// DeleteLogGroups deletes the log groups that services created again, or on their
// own, for resources of a deleted stack: Lambda writes a last line after its group
// was deleted, API Gateway has execution logs, RDS its exports. Each is found by
// the exact name of a resource that the stack has or had. The stack's name alone
// would also find groups of a stack whose name begins with it. It returns the
// groups that it could not delete.
func (l *Leftovers) DeleteLogGroups(ctx context.Context, resources []stack.Resource) (left []stack.Leftover) {
	var exact []string
	for _, r := range stack.EverOfType(resources, "AWS::Logs::LogGroup") {
		exact = append(exact, r.PhysicalID)
	}
	for _, r := range stack.EverOfType(resources, "AWS::Lambda::Function") { // Lambda creates a group of its own
		if name := "/aws/lambda/" + r.PhysicalID; !slices.Contains(exact, name) {
			exact = append(exact, name)
		}
	}
	var prefixes []string
	for _, r := range stack.EverOfType(resources, "AWS::ApiGateway::RestApi") {
		prefixes = append(prefixes, "API-Gateway-Execution-Logs_"+r.PhysicalID+"/")
	}
	for _, r := range stack.EverOfType(resources, "AWS::RDS::DBInstance") {
		prefixes = append(prefixes, "/aws/rds/instance/"+r.PhysicalID+"/")
	}
	for _, prefix := range append(slices.Clone(exact), prefixes...) {
		pages := stack.Limit("log groups", cloudwatchlogs.NewDescribeLogGroupsPaginator(l.Logs, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix}))
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				left = append(left, stack.Unknown("Logs", "AWS::Logs::LogGroup", prefix+"*", err))
				break
			}
			for _, g := range page.LogGroups {
				name := aws.ToString(g.LogGroupName)
				if slices.Contains(exact, prefix) && name != prefix { // another stack's with the same beginning
					continue
				}
				if err := l.deleteLogGroup(ctx, name); err != nil {
					left = append(left, stack.Unknown("Logs", "AWS::Logs::LogGroup", name, err))
				}
			}
		}
	}
	return left
}

func (l *Leftovers) deleteLogGroup(ctx context.Context, name string) error {
	l.Step("Deleting log group %s, which was created again", name)
	err := l.WhenFree(ctx, "log group "+name, func() error {
		_, err := l.Logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &name})
		return err
	})
	var gone *types.ResourceNotFoundException
	if err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("delete log group %s: %w", name, err)
	}
	return nil
}

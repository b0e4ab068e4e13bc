package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/artifact"
)

// sweepLogs deletes the log groups that services made again, or by themselves,
// for what the stack held: Lambda writes a last line after its group was
// deleted, API Gateway keeps execution logs, RDS its exports. Each is found by
// the exact name of a resource that was the stack's, also of one that an earlier
// attempt deleted: by the stack's name alone those of a stack whose name begins
// alike would be found too.
func (o *Operator) sweepLogs(ctx context.Context, p Plan) (left []Leftover) {
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
	for _, prefix := range append(slices.Clone(exact), prefixes...) {
		pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(o.Logs, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				left = append(left, unknown("Logs", "AWS::Logs::LogGroup", prefix+"*", err))
				break
			}
			for _, g := range page.LogGroups {
				name := aws.ToString(g.LogGroupName)
				if slices.Contains(exact, prefix) && name != prefix { // another's that begins alike
					continue
				}
				if err := o.deleteLogs(ctx, name); err != nil {
					left = append(left, unknown("Logs", "AWS::Logs::LogGroup", name, err))
				}
			}
		}
	}
	return left
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

// sweepCode deletes the functions' code in the artifact bucket when the last stack
// that takes any from there is gone: what this stack had, and what is old enough to
// be no running deploy's. While there is another stack it stays, because an update
// that is rolled back needs the code that nobody's parameters name. It gives what
// stays.
func (o *Operator) sweepCode(ctx context.Context, p Plan) []Leftover {
	if p.artifactBucket == "" {
		return nil
	}
	left, err := o.sweepArtifacts(ctx, p)
	switch {
	case code(err) == "NoSuchBucket":
		return nil
	case err != nil:
		left = unknown("Artifacts", typeBucket, p.artifactBucket, err)
	}
	return []Leftover{left}
}

func (o *Operator) sweepArtifacts(ctx context.Context, p Plan) (left Leftover, err error) {
	used, err := o.usedKeys(ctx)
	if err != nil {
		return left, err
	}
	left = Leftover{LogicalID: "Artifacts", Type: typeBucket, PhysicalID: p.artifactBucket, Why: "the account's bucket for the functions' code, empty; the next deploy uses it"}
	for key := range used {
		if strings.HasPrefix(key, artifact.Folder) {
			left.Why = "the account's bucket for the functions' code, which other stacks use; `streamctl package --prune` deletes what none does"
			return left, nil
		}
	}
	byFolder, err := o.artifacts(ctx, p.artifactBucket)
	if err != nil {
		return left, err
	}
	own := map[string]bool{}
	for _, value := range p.Stack.Parameters {
		own[value] = true
	}
	var goes []s3types.ObjectIdentifier
	kept := 0
	for _, versions := range byFolder {
		for _, v := range versions {
			if own[aws.ToString(v.Key)] || o.now().Sub(aws.ToTime(v.LastModified)) >= pruneAge {
				goes = append(goes, s3types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
			} else {
				kept++
			}
		}
	}
	if len(goes) > 0 {
		o.step(fmt.Sprintf("deleting %d objects with the functions' code from bucket %s: no stack uses them", len(goes), p.artifactBucket))
	}
	if kept > 0 {
		left.Why = fmt.Sprintf("the account's bucket for the functions' code, with %d objects of the last 24 hours, which a deploy may be about to use; `streamctl package --prune` deletes them later", kept)
	}
	return left, o.deleteVersions(ctx, p.artifactBucket, goes)
}

package checkup

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfn "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/pause"
)

// DriftAPI detects drift; *cloudformation.Client satisfies it. DetectStackDrift starts a
// detection, and changes nothing in the stack.
type DriftAPI interface {
	DetectStackDrift(context.Context, *cfn.DetectStackDriftInput, ...func(*cfn.Options)) (*cfn.DetectStackDriftOutput, error)
	DescribeStackDriftDetectionStatus(context.Context, *cfn.DescribeStackDriftDetectionStatusInput, ...func(*cfn.Options)) (*cfn.DescribeStackDriftDetectionStatusOutput, error)
	DescribeStackResourceDrifts(context.Context, *cfn.DescribeStackResourceDriftsInput, ...func(*cfn.Options)) (*cfn.DescribeStackResourceDriftsOutput, error)
}

var _ DriftAPI = (*cfn.Client)(nil)

// driftTime bounds a detection: AWS compares resource by resource, and takes minutes.
const driftTime = 10 * time.Minute

// Drift checks that the resources are as their template declares them. poll is the pause
// between two polls of the detection.
func Drift(api DriftAPI, t Target, poll time.Duration) Check {
	return Check{"drift", "cloudformation:DetectStackDrift, DescribeStackDriftDetectionStatus and DescribeStackResourceDrifts, and the calls that read the stack's resources", func(ctx context.Context) ([]Result, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, driftTime, fmt.Errorf("the detection did not end within %s", driftTime))
		defer cancel()
		begun, err := api.DetectStackDrift(ctx, &cfn.DetectStackDriftInput{StackName: aws.String(t.Stack.ID)})
		if err != nil {
			return nil, fmt.Errorf("detect drift: %w", err)
		}
		var failed string
		for {
			s, err := api.DescribeStackDriftDetectionStatus(ctx, &cfn.DescribeStackDriftDetectionStatusInput{StackDriftDetectionId: begun.StackDriftDetectionId})
			if err != nil {
				return nil, fmt.Errorf("read the drift detection: %w", err)
			}
			if s.DetectionStatus == types.StackDriftDetectionStatusDetectionFailed {
				failed = aws.ToString(s.DetectionStatusReason) // the result covers the other resources
			}
			if s.DetectionStatus != types.StackDriftDetectionStatusDetectionInProgress {
				break
			}
			if err := pause.For(ctx, poll); err != nil {
				return nil, fmt.Errorf("wait for the drift detection: %w", err)
			}
		}
		out, err := drifts(ctx, api, t)
		if err != nil {
			return nil, err
		}
		if failed != "" {
			out = append(out, problem("drift", Warn, "the credentials need the calls that read each resource", "not all resources were compared: %s", failed)...)
		}
		if len(out) == 0 {
			out = ok("drift", "all resources that CloudFormation can compare are as in the template")
		}
		return out, nil
	}}
}

func drifts(ctx context.Context, api DriftAPI, t Target) (out []Result, err error) {
	pages := cfn.NewDescribeStackResourceDriftsPaginator(api, &cfn.DescribeStackResourceDriftsInput{
		StackName:                       aws.String(t.Stack.ID),
		StackResourceDriftStatusFilters: []types.StackResourceDriftStatus{types.StackResourceDriftStatusModified, types.StackResourceDriftStatusDeleted},
	})
	for n := 0; pages.HasMorePages() && n < maxPages; n++ {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list drifts: %w", err)
		}
		for _, d := range page.StackResourceDrifts {
			id := aws.ToString(d.LogicalResourceId)
			if d.StackResourceDriftStatus == types.StackResourceDriftStatusDeleted {
				out = append(out, problem("drift", Fail, "recreate "+aws.ToString(d.PhysicalResourceId)+", or remove it from the stack and add it again", "%s (%s) was deleted outside of the stack", id, aws.ToString(d.ResourceType))...)
				continue
			}
			var differences []string
			for _, p := range d.PropertyDifferences {
				differences = append(differences, fmt.Sprintf("%s is %s, want %s", aws.ToString(p.PropertyPath), aws.ToString(p.ActualValue), aws.ToString(p.ExpectedValue)))
			}
			out = append(out, problem("drift", Warn, redeploy, "%s (%s) was changed outside of the stack: %s", id, aws.ToString(d.ResourceType), strings.Join(differences, "; "))...)
		}
	}
	return out, nil
}

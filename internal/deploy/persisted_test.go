package deploy_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// suspendedByHand leaves a stack in the state of an unfinished destroy of an earlier
// version. AWS persists the names and formats: a version that changes one must read
// both for one release.
func suspendedByHand(t *testing.T, op *deploy.Operator, s stack.Stack) {
	t.Helper()
	replace := func(path, value string) types.PatchOperation {
		return types.PatchOperation{Op: types.OpReplace, Path: &path, Value: &value}
	}
	mark := fmt.Sprintf("1000:500:%d", time.Now().Add(-time.Hour).Unix())
	_, err := op.APIGateway.UpdateStage(t.Context(), &apigateway.UpdateStageInput{RestApiId: aws.String(s.Outputs["ApiGatewayId"]), StageName: aws.String("prod"), PatchOperations: []types.PatchOperation{
		replace("/*/*/throttling/rateLimit", "0"), replace("/*/*/throttling/burstLimit", "0"),
		replace("/variables/streamctlBeforeDestroy", mark), replace("/variables/streamctlDrained", mark),
	}})
	if err != nil {
		t.Fatal(err)
	}
	resources, err := op.Inspect(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range stack.OfType(resources.Resources, "AWS::Lambda::EventSourceMapping") {
		if _, err := op.Lambda.UpdateEventSourceMapping(t.Context(), &lambda.UpdateEventSourceMappingInput{UUID: &m.PhysicalID, Enabled: aws.Bool(false)}); err != nil {
			t.Fatal(err)
		}
	}
	bucket := s.Outputs["ArchiveBucket"]
	out, err := op.S3.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	var policy map[string]any
	if err := json.Unmarshal([]byte(*out.Policy), &policy); err != nil {
		t.Fatal(err)
	}
	policy["Statement"] = append(policy["Statement"].([]any), map[string]any{
		"Sid": "StreamctlDestroy", "Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::" + bucket + "/*",
	})
	text, err := json.Marshal(policy)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := op.S3.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(string(text))}); err != nil {
		t.Fatal(err)
	}
}

// TestUnfinishedDestroyOfAnEarlierVersion reverts one with a deploy, and completes
// another with a destroy, which does not drain the stream again.
func TestUnfinishedDestroyOfAnEarlierVersion(t *testing.T) {
	for _, verb := range []string{"deploy", "destroy"} {
		op, fake, lines := operator(t, awsfake.Options{})
		made := apply(t, op, live(t, "one", "Snapshot", "RetainExceptOnCreate")).Stack
		_, policy, _ := works(t, op, made)
		suspendedByHand(t, op, made)
		if _, _, left := works(t, op, made); len(left) < 4 { // the rate, the mark, a mapping, the policy
			t.Fatalf("%s: status lists %q", verb, left)
		}
		if verb == "deploy" {
			if outcome := apply(t, op, live(t, "one", "Snapshot", "RetainExceptOnCreate")); !outcome.Changed {
				t.Error("deploy changed nothing")
			}
			if rate, now, left := works(t, op, made); rate != 1000 || now != policy || len(left) > 0 {
				t.Errorf("after the deploy: rate %v, policy %s, %q", rate, now, left)
			}
			continue
		}
		if _, err := op.Destroy(t.Context(), plan(t, op, lift)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(lines.String(), "the stream to be drained") || len(fake.Objects().Buckets()) > 0 {
			t.Errorf("it drained again, or a bucket is left:\n%s", lines)
		}
	}
}

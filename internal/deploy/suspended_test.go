package deploy_test

import (
	"bytes"
	"context"
	"errors"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// live returns a change for a stack with an API, consumers and an archive; the policies
// are those of the database and of the key.
func live(t *testing.T, text, databasePolicy, keyPolicy string) change {
	t.Helper()
	body, err := os.ReadFile("testdata/live.yaml")
	if err != nil {
		t.Fatal(err)
	}
	body = bytes.ReplaceAll(body, []byte("DATABASEPOLICY"), []byte(databasePolicy))
	return change{Spec: stack.Spec{
		Stack: "events", Template: bytes.ReplaceAll(body, []byte("KEYPOLICY"), []byte(keyPolicy)),
		Parameters: map[string]string{"Text": text}, Tags: map[string]string{"Project": "events"},
	}}
}

// works returns the API's rate limit, the bucket's policy and the suspended parts.
func works(t *testing.T, op *deploy.Operator, made stack.Stack) (rate float64, policy string, halted []string) {
	t.Helper()
	stage, err := op.APIGateway.GetStage(t.Context(), &apigateway.GetStageInput{RestApiId: aws.String(made.Outputs["ApiGatewayId"]), StageName: aws.String("prod")})
	if err != nil {
		t.Fatal(err)
	}
	if len(stage.Variables) > 0 {
		halted = append(halted, "the mark is there")
	}
	name, err := op.S3.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: aws.String(made.Outputs["ArchiveBucket"])})
	if err != nil {
		t.Fatal(err)
	}
	now, err := op.Inspect(t.Context(), made.ID)
	if err = errors.Join(err, now.SuspendedErr); err != nil {
		t.Fatal(err)
	}
	return stage.MethodSettings["*/*"].ThrottlingRateLimit, aws.ToString(name.Policy), append(halted, now.Suspended.Lines()...)
}

// TestDeployUndoesADestroy interrupts a destroy after each of its steps. Status
// describes the remains, and a deploy, with or without another change, restores them.
func TestDeployUndoesADestroy(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	made := apply(t, op, live(t, "one", "Delete", "Delete")).Stack
	_, policy, none := works(t, op, made)
	if len(none) > 0 {
		t.Fatalf("before: %v", none)
	}
	texts := []string{"one", "two"}
	reported := 0
	for i, at := range []string{"Setting the API", "Disabling ", "Denying writes", "Emptying bucket", "Emptied bucket"} {
		own := *op
		ctx, cancel := context.WithCancel(t.Context())
		own.Report = func(e stack.Event) {
			if strings.HasPrefix(e.Text, at) {
				cancel()
			}
			if strings.HasPrefix(e.Text, "Stopped half way: the API rejects events") {
				reported++
			}
		}
		p := plan(t, op)
		if _, err := own.Destroy(ctx, p); err == nil || ctx.Err() == nil {
			t.Fatalf("%s: it wasn't interrupted: %v", at, err)
		}
		_, _, halted := works(t, op, made)
		// The interrupt may have come before the call that the step announced.
		if least := []int{0, 2, 3, 5, 5}[i]; len(halted) < least {
			t.Errorf("%s: after the interruption: %v", at, halted)
		}
		after := apply(t, op, live(t, texts[i%2], "Delete", "Delete"))
		if after.Changed != (len(halted) > 0 || i > 0) {
			t.Errorf("%s: changed is %t with %v", at, after.Changed, halted)
		}
		rate, now, halted := works(t, op, made)
		if rate != 1000 || now != policy || len(halted) > 0 {
			t.Errorf("%s: after a deploy: rate %v, policy %s, %v", at, rate, now, halted)
		}
	}
	if reported != len([]string{"Disabling ", "Denying writes", "Emptying bucket", "Emptied bucket"}) {
		t.Errorf("reported %d times that the API rejects events", reported)
	}
}

// TestThrottledByHand sets a throttle that isn't a destroy's: a deploy keeps it.
func TestThrottledByHand(t *testing.T) {
	op, _, _ := operator(t, awsfake.Options{})
	made := apply(t, op, live(t, "one", "Delete", "Delete")).Stack
	api := aws.String(made.Outputs["ApiGatewayId"])
	if _, err := op.APIGateway.UpdateStage(t.Context(), &apigateway.UpdateStageInput{RestApiId: api, StageName: aws.String("prod"), PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: aws.String("/*/*/throttling/rateLimit"), Value: aws.String("0")}}}); err != nil {
		t.Fatal(err)
	}
	if again := apply(t, op, live(t, "one", "Delete", "Delete")); again.Changed {
		t.Errorf("got %+v", again)
	}
	if rate, _, _ := works(t, op, made); rate != 0 {
		t.Errorf("the rate is %v", rate)
	}
}

// TestStageElsewhere runs the documented create-deployment outside the stack. A deploy
// reports and corrects it, before an update and without one.
func TestStageElsewhere(t *testing.T) {
	op, _, lines := operator(t, awsfake.Options{})
	made := apply(t, op, live(t, "one", "Delete", "Delete")).Stack
	for _, text := range []string{"one", "two"} {
		other, err := op.APIGateway.CreateDeployment(t.Context(), &apigateway.CreateDeploymentInput{RestApiId: aws.String(made.Outputs["ApiGatewayId"]), StageName: aws.String("prod")})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, halted := works(t, op, made); len(halted) != 1 || !strings.Contains(halted[0], "serves deployment "+aws.ToString(other.Id)) {
			t.Errorf("reported: %v", halted)
		}
		lines.Reset()
		if outcome := apply(t, op, live(t, text, "Delete", "Delete")); !outcome.Changed {
			t.Errorf("not changed: %+v", outcome)
		}
		if _, _, halted := works(t, op, made); len(halted) > 0 {
			t.Errorf("after the deploy: %v", halted)
		}
		story := lines.String()
		if back, update := strings.Index(story, "Pointing stage prod"), strings.Index(story, "Updating stack"); back < 0 || text == "two" && back > update {
			t.Errorf("story: %s", story)
		}
	}
}

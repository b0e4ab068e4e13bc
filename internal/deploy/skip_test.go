package deploy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/deploy"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestSkipStep has a policy of the organization deny a call of each step: the error names
// the step, and skipping exactly that one completes the destroy.
func TestSkipStep(t *testing.T) {
	for action, denied := range map[string]struct{ service, step string }{
		"GetRestApi":                  {"apigateway", "wait for busy resources"},
		"UpdateStage":                 {"apigateway", "set the API's rate limit to 0"},
		"UpdateEventSourceMapping":    {"lambda", "disable the consumers"},
		"PutBucketPolicy":             {"s3", "deny writes to the buckets"},
		"UpdateTerminationProtection": {"cloudformation", "lift the protections"},
	} {
		op, fake, lines := operator(t, awsfake.Options{})
		r := live(t, "one", "Delete", "Delete")
		r.Protected = action == "UpdateTerminationProtection"
		apply(t, op, r)
		fake.FailCall(denied.service, action, 403, "AccessDenied", "with an explicit deny in a service control policy", 1000)
		_, err := op.Destroy(t.Context(), plan(t, op, noDrain, lift))
		var step *deploy.DeniedStepError
		if !errors.As(err, &step) || step.Step != denied.step || !strings.Contains(step.Hint(), `--skip-step "`+denied.step+`"`) {
			t.Errorf("%s: got %v", action, err)
			continue
		}
		if r.Protected { // it stays: CloudFormation would reject the delete
			continue
		}
		if _, err := op.Destroy(t.Context(), plan(t, op, noDrain, lift, func(o *deploy.DestroyOptions) { o.SkipStep = denied.step })); err != nil {
			t.Errorf("%s: skipped: %v\n%s", action, err, lines)
		}
		if !strings.Contains(lines.String(), "Skipping a step: "+denied.step) {
			t.Errorf("%s: %s", action, lines)
		}
	}
}

// TestSkipOnlyWhatCanBeSkipped rejects other names before anything is changed.
func TestSkipOnlyWhatCanBeSkipped(t *testing.T) {
	for _, name := range []string{"check", "delete the stack", "no step"} {
		var skip *deploy.SkipError
		if err := deploy.CheckSkip(name); !errors.As(err, &skip) || !strings.Contains(skip.Hint(), "drain the stream") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

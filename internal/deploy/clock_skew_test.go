package deploy_test

import (
	"context"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestClockSkew runs with this machine's clock twenty minutes slow and fast. Every
// operation works, and a destroy uses AWS's clock for the time of the last accepted
// event. With its own clock it would detect the stream's end minutes too early.
func TestClockSkew(t *testing.T) {
	for _, skew := range []time.Duration{20 * time.Minute, -20 * time.Minute} {
		t.Run(skew.String(), func(t *testing.T) {
			op, _, _ := operator(t, awsfake.Options{Skew: skew})
			made := apply(t, op, live(t, "one", "Delete", "Delete")).Stack
			apply(t, op, live(t, "two", "Delete", "Delete"))
			ctx, cancel := context.WithCancel(t.Context())
			own := *op
			own.Report = func(e stack.Event) {
				if strings.HasPrefix(e.Text, "Disabling ") {
					cancel()
				}
			}
			if _, err := own.Destroy(ctx, plan(t, op)); err == nil {
				t.Fatal("it wasn't interrupted")
			}
			stage, err := op.APIGateway.GetStage(t.Context(), &apigateway.GetStageInput{RestApiId: aws.String(made.Outputs["ApiGatewayId"]), StageName: aws.String("prod")})
			if err != nil {
				t.Fatal(err)
			}
			for name, mark := range stage.Variables {
				seconds, err := strconv.ParseInt(mark[strings.LastIndexByte(mark, ':')+1:], 10, 64)
				if off := time.Unix(seconds, 0).Sub(time.Now().Add(skew)); err != nil || off.Abs() > time.Minute {
					t.Errorf("%s = %s is %s off", name, mark, off)
				}
			}
			if len(stage.Variables) != 1 {
				t.Errorf("variables %v", stage.Variables)
			}
			if _, err := op.Destroy(t.Context(), plan(t, op)); err != nil {
				t.Error(err)
			}
		})
	}
}

package fake_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

// TestTLSOfAnAPI requires both settings, and rejects a second change while the first
// one is in progress.
func TestTLSOfAnAPI(t *testing.T) {
	const (
		head   = "Resources: {Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: tls"
		policy = ", SecurityPolicy: SecurityPolicy_TLS13_1_2_2021_06"
		foot   = "}}}\nOutputs: {Id: {Value: !Ref Api}}"
	)
	f := faketest.Start(t, awsfake.Options{APIUpdate: time.Minute})
	c, ctx := cloudformation.NewFromConfig(config(f)), t.Context()
	create := func(name, body string) types.Stack {
		if _, err := c.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &name, TemplateBody: &body}); err != nil {
			t.Fatal(err)
		}
		return settle(t, c, name)
	}
	if s := create("half", head+policy+foot); s.StackStatus != types.StackStatusRollbackComplete {
		t.Errorf("a security policy without an access mode: %s", s.StackStatus)
	}
	api := aws.ToString(create("tls", head+foot).Outputs[0].OutputValue)
	update := func(mode string) types.Stack {
		body := head + policy + ", EndpointAccessMode: " + mode + foot
		if _, err := c.UpdateStack(ctx, &cloudformation.UpdateStackInput{StackName: aws.String("tls"), TemplateBody: &body}); err != nil {
			t.Fatal(err)
		}
		return settle(t, c, "tls")
	}
	if s := update("STRICT"); s.StackStatus != types.StackStatusUpdateComplete {
		t.Fatalf("the first change: %s %s", s.StackStatus, aws.ToString(s.StackStatusReason))
	}
	got, err := apigateway.NewFromConfig(config(f)).GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &api})
	if err != nil || got.ApiStatus != "UPDATING" {
		t.Errorf("status %s, %v", got.ApiStatus, err)
	}
	if s := update("BASIC"); !strings.HasPrefix(string(s.StackStatus), "UPDATE_ROLLBACK") {
		t.Errorf("a second change while the first one is in progress: %s", s.StackStatus)
	}
	f.SetAPIStatus(api, "AVAILABLE", 0)
	if s := update("BASIC"); s.StackStatus != types.StackStatusUpdateComplete {
		t.Errorf("a change afterwards: %s %s", s.StackStatus, aws.ToString(s.StackStatusReason))
	}
}

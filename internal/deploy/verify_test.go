package deploy_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/streamctl/streamctl/internal/artifact"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// TestVerifyCode finds code that was replaced in the bucket between its upload and the
// creation of the function.
func TestVerifyCode(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	ctx, good := t.Context(), artifact.New("ingest", []byte("good"))
	for name, content := range map[string]string{"good": "good", "evil": "evil"} {
		if _, err := op.Upload(ctx, name, []artifact.Artifact{good}); err != nil {
			t.Fatal(err)
		}
		if err := fake.Objects().Put(name, good.Key(), []byte(content)); err != nil {
			t.Fatal(err)
		}
		_, err := op.CloudFormation.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &name, Capabilities: []types.Capability{types.CapabilityCapabilityIam}, TemplateBody: aws.String(`
Resources:
  Role: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {Version: '2012-10-17', Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]}}}
  IngestFunction:
    Type: AWS::Lambda::Function
    Properties: {Role: !GetAtt Role.Arn, Runtime: provided.al2023, Handler: bootstrap, Code: {S3Bucket: ` + name + `, S3Key: ` + good.Key() + `}}
`)})
		if err != nil {
			t.Fatal(err)
		}
		s, err := op.Follow(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		err = op.VerifyCode(ctx, s, []artifact.Artifact{good}, func(string) string { return "IngestFunction" })
		if name == "good" && err != nil {
			t.Error(err)
		}
		if name == "evil" && (err == nil || !strings.Contains(err.Error(), "so another program replaced "+good.Key())) {
			t.Errorf("replaced code: %v", err)
		}
	}
}

package fake_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

const stageTemplate = `
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: x}}
  Method:
    Type: AWS::ApiGateway::Method
    Properties: {RestApiId: !Ref Api, ResourceId: !GetAtt Api.RootResourceId, HttpMethod: GET, AuthorizationType: NONE, Integration: {Type: MOCK}}
  Deployment: {Type: AWS::ApiGateway::Deployment, DependsOn: Method, Properties: {RestApiId: !Ref Api}}
  Stage:
    Type: AWS::ApiGateway::Stage
    Properties: {RestApiId: !Ref Api, DeploymentId: !Ref Deployment, StageName: prod, MethodSettings: [{ResourcePath: /*, HttpMethod: '*', ThrottlingRateLimit: 10, ThrottlingBurstLimit: 20}]}
  Bucket: {Type: AWS::S3::Bucket}
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties: {Bucket: !Ref Bucket, PolicyDocument: {Statement: [{Effect: Deny, Principal: '*', Action: 's3:PutObject', Resource: !Sub '${Bucket.Arn}/no/*'}]}}
Outputs:
  Api: {Value: !Ref Api}
  Bucket: {Value: !Ref Bucket}
`

// TestStageBesideItsStack throttles a stage, points it at a deployment outside
// the stack, and writes where a policy denies it.
func TestStageBesideItsStack(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	ctx := t.Context()
	gateway := apigateway.NewFromConfig(config(f))
	_, stack := created(t, f, "stage", stageTemplate)
	api, prod, bucket := aws.String(output(stack, "Api")), aws.String("prod"), aws.String(output(stack, "Bucket"))
	before, err := gateway.GetStage(ctx, &apigateway.GetStageInput{RestApiId: api, StageName: prod})
	if err != nil || before.MethodSettings["*/*"].ThrottlingRateLimit != 10 || before.MethodSettings["*/*"].ThrottlingBurstLimit != 20 {
		t.Fatalf("%+v, %v", before, err)
	}
	patch := func(op types.Op, path, value string) error {
		_, err := gateway.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: api, StageName: prod, PatchOperations: []types.PatchOperation{{Op: op, Path: &path, Value: &value}}})
		return err
	}
	for _, p := range [][2]string{{"/*/*/throttling/rateLimit", "0"}, {"/variables/mark", "10,20"}} {
		if err := patch(types.OpReplace, p[0], p[1]); err != nil {
			t.Error(err)
		}
	}
	wantError(t, patch(types.OpRemove, "/variables/other", ""), "BadRequestException", "")
	wantError(t, patch(types.OpReplace, "/deploymentId", "nothing"), "BadRequestException", "Deployment id does not exist")
	made, err := gateway.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api, StageName: prod})
	if err != nil {
		t.Fatal(err)
	}
	after, err := gateway.GetStage(ctx, &apigateway.GetStageInput{RestApiId: api, StageName: prod})
	if err != nil || aws.ToString(after.DeploymentId) != aws.ToString(made.Id) || after.Variables["mark"] != "10,20" || after.MethodSettings["*/*"].ThrottlingRateLimit != 0 {
		t.Errorf("%+v, %v", after, err)
	}
	_, err = gateway.DeleteDeployment(ctx, &apigateway.DeleteDeploymentInput{RestApiId: api, DeploymentId: made.Id})
	wantError(t, err, "BadRequestException", "Active stages pointing to this deployment must be moved or deleted")
	if err := patch(types.OpReplace, "/deploymentId", aws.ToString(before.DeploymentId)); err != nil {
		t.Error(err)
	}
	if _, err = gateway.DeleteDeployment(ctx, &apigateway.DeleteDeploymentInput{RestApiId: api, DeploymentId: made.Id}); err != nil {
		t.Error(err)
	}
	objects := s3.NewFromConfig(config(f), func(o *s3.Options) { o.UsePathStyle = true })
	put := func(key string) error {
		_, err := objects.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("x")})
		return err
	}
	if err := put("yes/1"); err != nil {
		t.Error(err)
	}
	wantError(t, put("no/1"), "AccessDenied", "")
}

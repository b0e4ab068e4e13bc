// Package pipeline suspends and resumes the running pipeline of a stack: the API,
// the consumers of the stream, and writes to the archive bucket. A destroy
// suspends it; a deploy after an unfinished destroy resumes it.
package pipeline

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// StageAPI reads an API, and reads and changes its stage; *apigateway.Client satisfies it.
type StageAPI interface {
	GetRestApi(context.Context, *apigateway.GetRestApiInput, ...func(*apigateway.Options)) (*apigateway.GetRestApiOutput, error)
	GetStage(context.Context, *apigateway.GetStageInput, ...func(*apigateway.Options)) (*apigateway.GetStageOutput, error)
	UpdateStage(context.Context, *apigateway.UpdateStageInput, ...func(*apigateway.Options)) (*apigateway.UpdateStageOutput, error)
}

// FunctionAPI reads and changes event source mappings; *lambda.Client satisfies it.
type FunctionAPI interface {
	GetEventSourceMapping(context.Context, *lambda.GetEventSourceMappingInput, ...func(*lambda.Options)) (*lambda.GetEventSourceMappingOutput, error)
	ListEventSourceMappings(context.Context, *lambda.ListEventSourceMappingsInput, ...func(*lambda.Options)) (*lambda.ListEventSourceMappingsOutput, error)
	UpdateEventSourceMapping(context.Context, *lambda.UpdateEventSourceMappingInput, ...func(*lambda.Options)) (*lambda.UpdateEventSourceMappingOutput, error)
	GetFunction(context.Context, *lambda.GetFunctionInput, ...func(*lambda.Options)) (*lambda.GetFunctionOutput, error)
}

// PolicyAPI reads and changes bucket policies; *s3.Client satisfies it.
type PolicyAPI interface {
	GetBucketPolicy(context.Context, *s3.GetBucketPolicyInput, ...func(*s3.Options)) (*s3.GetBucketPolicyOutput, error)
	PutBucketPolicy(context.Context, *s3.PutBucketPolicyInput, ...func(*s3.Options)) (*s3.PutBucketPolicyOutput, error)
	DeleteBucketPolicy(context.Context, *s3.DeleteBucketPolicyInput, ...func(*s3.Options)) (*s3.DeleteBucketPolicyOutput, error)
}

// MetricAPI reads metrics; *cloudwatch.Client satisfies it.
type MetricAPI interface {
	GetMetricData(context.Context, *cloudwatch.GetMetricDataInput, ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error)
}

var (
	_ StageAPI    = (*apigateway.Client)(nil)
	_ FunctionAPI = (*lambda.Client)(nil)
	_ PolicyAPI   = (*s3.Client)(nil)
	_ MetricAPI   = (*cloudwatch.Client)(nil)
)

// Pipeline suspends and resumes the pipelines of stacks.
type Pipeline struct {
	stack.Session
	Stages    StageAPI
	Functions FunctionAPI
	Buckets   PolicyAPI
	Metrics   MetricAPI
}

// Outputs are the names of the stack outputs that locate a pipeline.
type Outputs struct {
	// API is the REST API's id, StageURL ends with the name of its stage.
	API, StageURL string
	// Stream and Archive are the names of the stream and of the archive bucket.
	Stream, Archive string
	// Consumers are the outputs with the names of the functions that consume the
	// stream, by the logical id of their event source mapping.
	Consumers map[string]string
}

const (
	typeAPI     = "AWS::ApiGateway::RestApi"
	typeStage   = "AWS::ApiGateway::Stage"
	typeStream  = "AWS::Kinesis::Stream"
	typeMapping = "AWS::Lambda::EventSourceMapping"
)

// CanDrain reports whether a stack has a stream with consumers.
func CanDrain(resources []stack.Resource) bool {
	return len(stack.OfType(resources, typeStream)) > 0 && len(stack.OfType(resources, typeMapping)) > 0
}

package fake

import (
	"context"
	"fmt"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// lambdaKinds declares Lambda's types, except versions and aliases.
func lambdaKinds() map[string]kind {
	return map[string]kind{
		"AWS::Lambda::Function": {
			id: named("FunctionName", 64), check: checkFunction,
			create: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				f.functions.put(r)
				return nil, nil
			},
			update: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				f.functions.put(r)
				return nil, nil
			},
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				f.ec2.linger(r.PhysicalID)
				f.functions.remove(r.PhysicalID)
				return nil
			},
			attributes: map[string]string{"Arn": "arn:aws:lambda:{region}:{account}:function:{id}", "SnapStartResponse.ApplyOn": "", "SnapStartResponse.OptimizationStatus": ""},
		},
		"AWS::Lambda::Permission": {
			id: func(r cfn.Request) string { return generated(r, 100) }, check: needsFunction("FunctionName"),
			attributes: map[string]string{"Id": "{id}"},
		},
		"AWS::Lambda::EventInvokeConfig": {
			Kind: cfn.Kind{Required: []string{"FunctionName", "Qualifier"}, CreateOnly: []string{"FunctionName", "Qualifier"}},
			id: func(r cfn.Request) string {
				return str(r.Properties, "FunctionName") + "|" + str(r.Properties, "Qualifier")
			},
			check: func(f *account, r cfn.Request) error {
				return f.lambda.needsFunction(qualified(functionName(str(r.Properties, "FunctionName")), str(r.Properties, "Qualifier")))
			},
		},
		"AWS::Lambda::EventSourceMapping": {
			id: uuid, check: checkMapping,
			create: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				return nil, f.mappings.put(r)
			},
			update: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				return nil, f.mappings.put(r)
			},
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				f.mappings.remove(r.PhysicalID)
				return nil
			},
			attributes: map[string]string{"Id": "{id}", "EventSourceMappingArn": "arn:aws:lambda:{region}:{account}:event-source-mapping:{id}"},
		},
	}
}

// needsFunction checks that a property refers to a function, a version or an
// alias, by name or ARN.
func needsFunction(property string) func(*account, cfn.Request) error {
	return func(f *account, r cfn.Request) error { return f.lambda.needsFunction(str(r.Properties, property)) }
}

func (f lambdaAPI) needsFunction(nameOrARN string) error {
	if _, ok := f.functions.find(nameOrARN); !ok {
		return handlerError("Lambda", 404, "Function not found: "+f.functionARN(nameOrARN), "NotFound")
	}
	return nil
}

func checkFunction(f *account, r cfn.Request) error {
	p := r.Properties
	refuse := func(message string) error { return handlerError("Lambda", 400, message, "InvalidRequest") }
	code := child(p, "Code")
	if bucket, key := str(code, "S3Bucket"), str(code, "S3Key"); bucket != "" {
		if _, err := f.objects.Get(bucket, key); err != nil {
			name, text, _ := strings.Cut(err.Error(), ": ")
			return refuse("Error occurred while GetObject. S3 Error Code: " + name + ". S3 Error Message: " + text)
		}
	}
	if _, ok := f.registry.find("AWS::IAM::Role", roleName(str(p, "Role"))); !ok {
		return refuse("The role defined for the function cannot be assumed by Lambda.")
	}
	size := 0
	for name, value := range child(child(p, "Environment"), "Variables") {
		size += len(name) + len(fmt.Sprint(value))
		if strings.HasPrefix(name, "AWS_LAMBDA_") || strings.HasPrefix(name, "_") || name == "AWS_REGION" || name == "AWS_DEFAULT_REGION" ||
			name == "AWS_ACCESS_KEY_ID" || name == "AWS_SECRET_ACCESS_KEY" || name == "AWS_SESSION_TOKEN" || name == "LAMBDA_TASK_ROOT" {
			return refuse("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: " + name)
		}
	}
	switch {
	case size > 4096:
		return refuse("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.")
	case number(p, "Timeout", 3) > 900 || number(p, "MemorySize", 128) < 128 || number(p, "MemorySize", 128) > 10240:
		return refuse("1 validation error detected: Timeout or MemorySize failed to satisfy constraint")
	case str(p, "Handler") == "" || str(p, "Runtime") == "":
		return refuse("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	for _, group := range items(child(p, "VpcConfig"), "SecurityGroupIds") {
		if _, ok := f.registry.find("AWS::EC2::SecurityGroup", group); !ok {
			return refuse("Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group '" + group + "' does not exist")
		}
	}
	for _, subnet := range items(child(p, "VpcConfig"), "SubnetIds") {
		if _, ok := f.registry.find("AWS::EC2::Subnet", subnet); !ok {
			return refuse("The provided subnets are invalid: " + subnet)
		}
	}
	return nil
}

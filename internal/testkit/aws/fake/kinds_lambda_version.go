package fake

import (
	"context"
	"regexp"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// lambdaVersionKinds declares a function's versions and aliases.
func lambdaVersionKinds() map[string]kind {
	return map[string]kind{
		"AWS::Lambda::Version": {
			check: checkVersion,
			identify: func(f *account, r cfn.Request) (string, error) {
				version, err := f.functions.publish(functionName(str(r.Properties, "FunctionName")))
				if err != nil {
					return "", err
				}
				return version.arn, nil
			},
			create: func(_ context.Context, _ *account, r cfn.Request) (map[string]any, error) {
				_, number := splitFunction(r.PhysicalID)
				return map[string]any{"Version": number}, nil
			},
			remove:     func(_ context.Context, f *account, r cfn.Request) error { return f.functions.unpublish(r.PhysicalID) },
			attributes: map[string]string{"FunctionArn": "{id}", "Version": ""},
		},
		"AWS::Lambda::Alias": {
			check: checkAlias,
			identify: func(f *account, r cfn.Request) (string, error) {
				return f.lambda.functionARN(qualified(functionName(str(r.Properties, "FunctionName")), str(r.Properties, "Name"))), nil
			},
			create: pointAlias, update: pointAlias,
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				name, alias := splitFunction(r.PhysicalID)
				f.functions.point(name, alias, "")
				return nil
			},
			attributes: map[string]string{"AliasArn": "{id}"},
		},
	}
}

func checkVersion(f *account, r cfn.Request) error {
	if err := needsFunction("FunctionName")(f, r); err != nil {
		return err
	}
	fn, _ := f.functions.find(functionName(str(r.Properties, "FunctionName")))
	if want := str(r.Properties, "CodeSha256"); want != "" && want != fn.codeHash {
		return handlerError("Lambda", 400, "CodeSHA256 ("+want+") is different from current CodeSHA256 in $LATEST ("+fn.codeHash+"). Please try again with the CodeSHA256 in $LATEST.", "InvalidRequest")
	}
	return f.lambda.checkProvisioned(r)
}

func checkAlias(f *account, r cfn.Request) error {
	if err := needsFunction("FunctionName")(f, r); err != nil {
		return err
	}
	refuse := func(message string) error { return handlerError("Lambda", 400, message, "InvalidRequest") }
	function, alias, version := functionName(str(r.Properties, "FunctionName")), str(r.Properties, "Name"), str(r.Properties, "FunctionVersion")
	arn := f.lambda.functionARN(qualified(function, alias))
	if _, taken := f.registry.find(r.Type, arn); taken && r.PhysicalID == "" {
		return handlerError("Lambda", 409, "Alias already exists: "+arn, "AlreadyExists")
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`).MatchString(alias) || strings.Trim(alias, "0123456789") == "" {
		return refuse("1 validation error detected: Value '" + alias + `' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)`)
	}
	if version != latest {
		if !regexp.MustCompile(`^[0-9]+$`).MatchString(version) {
			return refuse("1 validation error detected: Value '" + version + `' at 'functionVersion' failed to satisfy constraint: Member must satisfy regular expression pattern: (\$LATEST|[0-9]+)`)
		}
		if err := f.lambda.needsFunction(qualified(function, version)); err != nil {
			return err
		}
	}
	if r.Properties["RoutingConfig"] != nil {
		return refuse("the fake does not support aliases with two versions")
	}
	if version == latest && r.Properties["ProvisionedConcurrencyConfig"] != nil {
		return refuse("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
	}
	return f.lambda.checkProvisioned(r)
}

// checkProvisioned checks that the provisioned concurrency of all versions and
// aliases of the function is within its reserved concurrency.
func (f lambdaAPI) checkProvisioned(r cfn.Request) error {
	if r.Properties["ProvisionedConcurrencyConfig"] == nil {
		return nil
	}
	provisioned := func(props map[string]any) int {
		return number(child(props, "ProvisionedConcurrencyConfig"), "ProvisionedConcurrentExecutions", 0)
	}
	sum := provisioned(r.Properties)
	if sum < 1 {
		return handlerError("Lambda", 400, "1 validation error detected: Value at 'provisionedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to 1", "InvalidRequest")
	}
	function := functionName(str(r.Properties, "FunctionName"))
	for _, resourceType := range []string{"AWS::Lambda::Version", "AWS::Lambda::Alias"} {
		for _, other := range f.registry.list(resourceType) {
			if other.id != r.PhysicalID && functionName(other.id) == function {
				sum += provisioned(other.props)
			}
		}
	}
	fn, _ := f.functions.find(function)
	if reserved := number(fn.properties(), "ReservedConcurrentExecutions", sum); sum > reserved {
		return handlerError("Lambda", 400, "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function", "InvalidRequest")
	}
	return nil
}

func pointAlias(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
	f.functions.point(functionName(str(r.Properties, "FunctionName")), str(r.Properties, "Name"), str(r.Properties, "FunctionVersion"))
	return nil, nil
}

package fake

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// badLogRole is the error for an invalid CloudWatch role of the account.
const badLogRole = "The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy."

// apiGatewayKinds declares API Gateway's types. Only a Deployment's snapshot is
// served.
func apiGatewayKinds() map[string]kind {
	return map[string]kind{
		"AWS::ApiGateway::RestApi": {
			id: short, check: checkRestAPI, update: changeTLS, attributes: map[string]string{"RestApiId": "{id}", "RootResourceId": ""},
			create: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				return map[string]any{"RootResourceId": rootOf(r.PhysicalID)}, nil
			},
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				if err := f.gateway.unmapped(r.PhysicalID, ""); err != nil {
					return err
				}
				f.apis.remove(r.PhysicalID)
				return nil
			},
		},
		"AWS::ApiGateway::Resource": {id: short, check: checkAPIResource, attributes: map[string]string{"ResourceId": "{id}"}},
		"AWS::ApiGateway::Method": {
			check: checkMethod,
			id: func(r cfn.Request) string {
				return strings.Join([]string{str(r.Properties, "RestApiId"), str(r.Properties, "ResourceId"), str(r.Properties, "HttpMethod")}, "|")
			},
		},
		"AWS::ApiGateway::Model": {
			check: checkModel, remove: removeModel,
			id: func(r cfn.Request) string { return strings.ReplaceAll(named("Name", 64)(r), "-", "") },
		},
		"AWS::ApiGateway::RequestValidator": {id: short, attributes: map[string]string{"RequestValidatorId": "{id}"}, check: needsAPI},
		"AWS::ApiGateway::GatewayResponse":  {id: short, attributes: map[string]string{"Id": "{id}"}, check: needsAPI},
		"AWS::ApiGateway::Deployment": {
			id: short, attributes: map[string]string{"DeploymentId": "{id}"},
			check: func(f *account, r cfn.Request) error {
				if err := needsAPI(f, r); err != nil || r.PhysicalID != "" {
					return err
				}
				if len(f.gateway.partsOf("AWS::ApiGateway::Method", str(r.Properties, "RestApiId"))) == 0 {
					return handlerError("ApiGateway", 400, "The REST API doesn't contain any methods", "InvalidRequest")
				}
				return nil
			},
			create: func(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
				return nil, f.apis.deploy(r.PhysicalID, str(r.Properties, "RestApiId"))
			},
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				if f.gateway.deployed(str(r.Properties, "RestApiId"), r.PhysicalID) {
					return handlerError("ApiGateway", 400, stageInUse, "InvalidRequest")
				}
				f.apis.undeploy(r.PhysicalID)
				return nil
			},
		},
		"AWS::ApiGateway::Stage": {
			id: named("StageName", 128), check: checkStage,
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				return f.gateway.unmapped(str(r.Properties, "RestApiId"), r.PhysicalID)
			},
		},
		"AWS::ApiGateway::Account": {
			id: func(r cfn.Request) string { return generated(r, 64) }, attributes: map[string]string{"Id": "{id}"},
			check: func(f *account, r cfn.Request) error {
				if arn := str(r.Properties, "CloudWatchRoleArn"); arn != "" {
					if _, ok := f.registry.find("AWS::IAM::Role", roleName(arn)); !ok {
						return handlerError("ApiGateway", 400, badLogRole, "InvalidRequest")
					}
				}
				f.apis.setAccountRole(str(r.Properties, "CloudWatchRoleArn"))
				return nil
			},
			// Its delete handler may patch the account, so it is taken to reset the
			// setting, unless another role is set by now.
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				if f.apis.accountRole() == str(r.Properties, "CloudWatchRoleArn") {
					f.apis.setAccountRole("")
				}
				return nil
			},
		},
	}
}

// rootOf returns the id of an API's root resource.
func rootOf(apiID string) string { return "r" + apiID[1:] }

// partsOf lists an API's parts of a type.
func (f gatewayAPI) partsOf(resourceType, apiID string) []*physical {
	var out []*physical
	for _, p := range f.registry.list(resourceType) {
		if str(p.props, "RestApiId") == apiID {
			out = append(out, p)
		}
	}
	return out
}

func needsAPI(f *account, r cfn.Request) error {
	if _, ok := f.registry.find("AWS::ApiGateway::RestApi", str(r.Properties, "RestApiId")); !ok {
		return handlerError("ApiGateway", 404, "Invalid API identifier specified "+f.options.Account+":"+str(r.Properties, "RestApiId"), "NotFound")
	}
	return nil
}

func checkRestAPI(_ *account, r cfn.Request) error {
	if str(r.Properties, "Name") == "" && r.Properties["Body"] == nil {
		return cfn.Reasonf("Resource handler returned message: \"Name must be specified\"")
	}
	if r.Properties["Body"] != nil {
		return errors.New("the fake does not support an OpenAPI Body")
	}
	if (str(r.Properties, "SecurityPolicy") == "") != (str(r.Properties, "EndpointAccessMode") == "") {
		return handlerError("ApiGateway", 400, "SecurityPolicy and EndpointAccessMode must be specified together", "InvalidRequest")
	}
	return nil
}

func checkAPIResource(f *account, r cfn.Request) error {
	if err := needsAPI(f, r); err != nil {
		return err
	}
	api, parent, part := str(r.Properties, "RestApiId"), str(r.Properties, "ParentId"), str(r.Properties, "PathPart")
	if _, ok := f.registry.find("AWS::ApiGateway::Resource", parent); !ok && parent != rootOf(api) {
		return handlerError("ApiGateway", 404, "Invalid Resource identifier specified", "NotFound")
	}
	if !regexp.MustCompile(`^([a-zA-Z0-9._:-]+|\{[a-zA-Z0-9._-]+\+?\})$`).MatchString(part) {
		return handlerError("ApiGateway", 400, "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.", "InvalidRequest")
	}
	for _, other := range f.gateway.partsOf(r.Type, api) {
		if other.id != r.PhysicalID && str(other.props, "ParentId") == parent && str(other.props, "PathPart") == part {
			return handlerError("ApiGateway", 409, "Another resource with the same parent already has this name: "+part, "AlreadyExists")
		}
	}
	return nil
}

func checkMethod(f *account, r cfn.Request) error {
	if err := needsAPI(f, r); err != nil {
		return err
	}
	p := r.Properties
	api := str(p, "RestApiId")
	refuse := func(message string) error { return handlerError("ApiGateway", 400, message, "InvalidRequest") }
	if _, ok := f.registry.find("AWS::ApiGateway::Resource", str(p, "ResourceId")); !ok && str(p, "ResourceId") != rootOf(api) {
		return handlerError("ApiGateway", 404, "Invalid Resource identifier specified", "NotFound")
	}
	if id := str(p, "RequestValidatorId"); id != "" {
		if _, ok := f.registry.find("AWS::ApiGateway::RequestValidator", id); !ok {
			return refuse("Invalid Request Validator identifier specified")
		}
	}
	for _, model := range child(p, "RequestModels") {
		if _, ok := f.registry.find("AWS::ApiGateway::Model", partID(api, fmt.Sprint(model))); !ok {
			return refuse("Invalid model identifier specified: " + fmt.Sprint(model))
		}
	}
	integration := child(p, "Integration")
	switch str(integration, "Type") {
	case "AWS_PROXY":
		uri := str(integration, "Uri")
		if !strings.Contains(uri, ":lambda:path/2015-03-31/functions/arn:") || !strings.HasSuffix(uri, "/invocations") {
			return refuse("Invalid ARN specified in the request")
		}
	case "MOCK":
	default:
		return refuse("the fake does not support the integration type " + str(integration, "Type"))
	}
	if ms := number(integration, "TimeoutInMillis", 29000); ms < 50 || ms > 29000 {
		return refuse("Timeout should be between 50 ms and 29000 ms")
	}
	return nil
}

func checkModel(f *account, r cfn.Request) error {
	if err := needsAPI(f, r); err != nil {
		return err
	}
	if name := str(r.Properties, "Name"); name != "" && !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(name) {
		return handlerError("ApiGateway", 400, "Model name must be alphanumeric: "+name, "InvalidRequest")
	}
	if _, err := compileModel(r.Properties["Schema"]); err != nil {
		return handlerError("ApiGateway", 400, "Invalid model specified: Validation Result: warnings : [], errors : ["+err.Error()+"]", "InvalidRequest")
	}
	return nil
}

func removeModel(_ context.Context, f *account, r cfn.Request) error {
	for _, m := range f.gateway.partsOf("AWS::ApiGateway::Method", str(r.Properties, "RestApiId")) {
		for _, model := range child(m.props, "RequestModels") {
			if fmt.Sprint(model) == r.PhysicalID {
				return handlerError("ApiGateway", 409, "Cannot delete model '"+r.PhysicalID+"', is referenced in method request", "InvalidRequest")
			}
		}
	}
	return nil
}

func checkStage(f *account, r cfn.Request) error {
	if err := needsAPI(f, r); err != nil {
		return err
	}
	p := r.Properties
	if _, ok := f.registry.find("AWS::ApiGateway::Deployment", str(p, "DeploymentId")); !ok {
		return handlerError("ApiGateway", 400, "Deployment id does not exist", "InvalidRequest")
	}
	if !regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`).MatchString(named("StageName", 128)(r)) {
		return handlerError("ApiGateway", 400, "Stage name only allows a-zA-Z0-9_-", "InvalidRequest")
	}
	logs := child(p, "AccessLogSetting")
	needsRole := len(logs) > 0
	for _, m := range children(p, "MethodSettings") {
		if level := str(m, "LoggingLevel"); level != "" && level != "OFF" {
			needsRole = true
		}
	}
	if needsRole && f.apis.accountRole() == "" {
		return handlerError("ApiGateway", 400, "CloudWatch Logs role ARN must be set in account settings to enable logging", "InvalidRequest")
	}
	if arn := str(logs, "DestinationArn"); arn != "" {
		group := strings.TrimPrefix(arn, f.arn("logs", "log-group:"))
		if !f.logs.exists(strings.TrimSuffix(group, ":*")) {
			return handlerError("ApiGateway", 404, "Access log destination "+arn+" does not exist", "NotFound")
		}
	}
	if format := str(logs, "Format"); format != "" && !strings.Contains(format, "$context.requestId") && !strings.Contains(format, "$context.extendedRequestId") {
		return handlerError("ApiGateway", 400, "Access Log format must contain either $context.requestId or $context.extendedRequestId", "InvalidRequest")
	}
	return nil
}

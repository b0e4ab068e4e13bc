package template

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/awslabs/goformation/v7/cloudformation/apigateway"
	"github.com/awslabs/goformation/v7/cloudformation/iam"
	"github.com/awslabs/goformation/v7/cloudformation/lambda"
	"github.com/awslabs/goformation/v7/cloudformation/policies"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

func (t *Template) addAPI(v config.Variables) {
	t.group("API")
	t.addRoutes(v)
	t.addCORS(v.CorsAllowedOrigins)
	t.addClientRoutes(v)
	t.addGatewayResponses(contract.UnionOrigins(v.CorsAllowedOrigins, v.WriteKeys), len(v.WriteKeys) > 0)
	// The deployment is a snapshot of the resources up to here.
	part := slices.Clone(t.Groups[len(t.Groups)-1].Resources)
	deployment := t.addDeployment(part)
	t.addStage(v, deployment)
	t.addPermission(title(contract.FuncIngest), contract.FuncIngest, "*/events")
	t.addPermission(title(contract.FuncQuery), contract.FuncQuery, "*/metrics/*")
	t.addClientPermissions(v)
	t.addClientPolicy(idSendPolicy, "Send events", "POST/events")
	t.addClientPolicy(idReadPolicy, "Read metrics", "GET/metrics/*")
}

func (t *Template) addRoutes(v config.Variables) {
	t.add(idApi, with(&apigateway.RestApi{
		Name:                  new(Sub("${AWS::StackName}")),
		Description:           new(Ref(paramProject)),
		EndpointConfiguration: &apigateway.RestApi_EndpointConfiguration{Types: []string{"REGIONAL"}},
		BinaryMediaTypes:      api.BinaryMediaTypes(),
	}, map[string]any{ // both are required together
		"SecurityPolicy":     "SecurityPolicy_TLS13_1_2_2021_06",
		"EndpointAccessMode": v.ApiEndpointAccessMode,
	}))
	t.addPathPart(idApiEvents, GetAtt(idApi, "RootResourceId"), "events")
	t.addPathPart(idApiMetrics, GetAtt(idApi, "RootResourceId"), "metrics")
	t.addPathPart(idApiMetric, Ref(idApiMetrics), "{metric}")
	// Without a request model and a validator, which have one message for every
	// malformed body: ingest validates it and reports the problem.
	for _, r := range routes() {
		t.add(r.id, t.method(r.resource, r.verb, r.function))
	}
}

// route is a method of the API with its function.
type route struct {
	id, preflight  string // logical ids of the method and of its OPTIONS method
	resource, verb string
	function       string
}

func routes() []route {
	return []route{
		{idApiPostEvents, "ApiOptionsEvents", idApiEvents, "POST", contract.FuncIngest},
		{idApiGetMetric, "ApiOptionsMetric", idApiMetric, "GET", contract.FuncQuery},
	}
}

func (t *Template) addPathPart(id, parent, part string) {
	t.add(id, &apigateway.Resource{RestApiId: Ref(idApi), ParentId: parent, PathPart: part})
}

// method returns a route to a function for callers with IAM permission. A proxy
// integration always uses POST, whatever the route's method is.
func (t *Template) method(resourceID, verb, function string) *apigateway.Method {
	return &apigateway.Method{
		RestApiId:         Ref(idApi),
		ResourceId:        Ref(resourceID),
		HttpMethod:        verb,
		AuthorizationType: new("AWS_IAM"),
		Integration: &apigateway.Method_Integration{
			Type:                  "AWS_PROXY",
			IntegrationHttpMethod: new("POST"),
			Uri:                   new(Sub("arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/" + t.invokeTargetArn(function) + "/invocations")),
		},
	}
}

// addGatewayResponses gives the gateway's own errors the form of the functions' errors:
// a problem document (RFC 9457).
func (t *Template) addGatewayResponses(origins []string, clients bool) {
	for _, r := range []struct{ id, kind string }{
		{"ApiThrottledResponse", "THROTTLED"},
		{"ApiClientErrorResponse", "DEFAULT_4XX"},
		{"ApiServerErrorResponse", "DEFAULT_5XX"},
	} {
		response := &apigateway.GatewayResponse{
			RestApiId:          Ref(idApi),
			ResponseType:       r.kind,
			ResponseParameters: map[string]string{"gatewayresponse.header.Content-Type": "'application/problem+json'"},
			ResponseTemplates: map[string]string{"application/json": `{"title":"$context.error.responseType",` +
				`"detail":$context.error.messageString,"requestId":"$context.requestId"}`},
		}
		if r.kind == "THROTTLED" || r.kind == "DEFAULT_5XX" {
			response.ResponseParameters["gatewayresponse.header.Retry-After"] = "'1'"
		}
		if len(origins) > 0 {
			response.ResponseParameters["gatewayresponse.header.Access-Control-Allow-Origin"] = corsOrigin(origins)
		}
		if len(origins) > 0 && clients {
			response.ResponseParameters["gatewayresponse.header.Access-Control-Expose-Headers"] = quoted("Retry-After")
		}
		t.add(r.id, response)
	}
}

// addDeployment adds the snapshot that the stage serves. A deployment never changes, so
// its logical id contains a hash of everything in the snapshot: a changed API gets a
// new deployment, an unchanged one keeps its own.
func (t *Template) addDeployment(part []string) (id string) {
	hash := sha256.New()
	var methods []string
	for _, id := range part {
		text, err := json.Marshal(t.resources[id])
		if err != nil {
			t.errs = append(t.errs, fmt.Errorf("%s: %w", id, err))
		}
		fmt.Fprintf(hash, "%s %s\n", id, text)
		switch t.kind(id) {
		case "AWS::ApiGateway::Method", "AWS::ApiGateway::GatewayResponse":
			methods = append(methods, id)
		}
	}
	id = idApiDeployment + hex.EncodeToString(hash.Sum(nil))[:10]
	t.add(id, &apigateway.Deployment{RestApiId: Ref(idApi), AWSCloudFormationDependsOn: methods})
	return id
}

// accessLogFormat is one JSON object per request, without the body.
const accessLogFormat = `{"requestId":"$context.requestId","time":"$context.requestTimeEpoch","method":"$context.httpMethod",` +
	`"path":"$context.resourcePath","status":"$context.status","user":"$context.identity.userArn","ip":"$context.identity.sourceIp",` +
	`"latency":"$context.responseLatency","integrationLatency":"$context.integrationLatency","error":"$context.error.responseType"}`

func (t *Template) addStage(v config.Variables, deployment string) {
	t.add(idApiLogGroup, t.logGroup(v, "/aws/apigateway/${AWS::StackName}"))
	stage := &apigateway.Stage{
		RestApiId:    Ref(idApi),
		DeploymentId: new(Ref(deployment)),
		StageName:    new(stageName),
		// GetAtt Arn ends in :*, which drift detection would report forever.
		AccessLogSetting: &apigateway.Stage_AccessLogSetting{
			DestinationArn: new(arn("logs", "log-group:${"+idApiLogGroup+"}")),
			Format:         new(accessLogFormat),
		},
		MethodSettings: []apigateway.Stage_MethodSetting{{
			ResourcePath: new("/*"), HttpMethod: new("*"),
			MetricsEnabled: new(true), LoggingLevel: new("OFF"),
			ThrottlingRateLimit: new(float64(v.ThrottleRate)), ThrottlingBurstLimit: new(v.ThrottleBurst),
		}},
		TracingEnabled: new(true),
	}
	if len(v.WriteKeys) > 0 {
		stage.MethodSettings = append(stage.MethodSettings, clientSettings(v)...)
	}
	if v.ApiGatewayAccountRole == config.AccountRoleCreate {
		t.addAccountRole()
		stage.AWSCloudFormationDependsOn = []string{idApiAccount}
	}
	t.add(idApiStage, stage)
}

// addAccountRole sets the role with which API Gateway writes all logs of the account
// and region. Both resources are retained: other APIs use the role too; deleting the
// setting has no effect, and deleting the role stops all their logs.
func (t *Template) addAccountRole() {
	t.addRole(idApiAccountRole, &iam.Role{
		AssumeRolePolicyDocument:             trust("apigateway.amazonaws.com"),
		ManagedPolicyArns:                    []string{Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs")},
		AWSCloudFormationDeletionPolicy:      retain,
		AWSCloudFormationUpdateReplacePolicy: retainOld,
	})
	t.add(idApiAccount, &apigateway.Account{
		CloudWatchRoleArn:                    new(GetAtt(idApiAccountRole, "Arn")),
		AWSCloudFormationDeletionPolicy:      retain,
		AWSCloudFormationUpdateReplacePolicy: policies.UpdateReplacePolicy(retain),
	})
}

func (t *Template) addPermission(name, function, route string) {
	t.add(name+"Permission", &lambda.Permission{
		Action:       "lambda:InvokeFunction",
		FunctionName: t.invokeTarget(function),
		Principal:    "apigateway.amazonaws.com",
		SourceArn:    new(arn("execute-api", "${"+idApi+"}/*/"+route)),
	})
}

// addClientPolicy adds a policy to attach to the callers of a route.
func (t *Template) addClientPolicy(id, description, route string) {
	t.add(id, &iam.ManagedPolicy{
		Description:    new(description),
		PolicyDocument: policy(statement{Action: "execute-api:Invoke", Resource: arn("execute-api", "${"+idApi+"}/"+stageName+"/"+route)}),
	})
}

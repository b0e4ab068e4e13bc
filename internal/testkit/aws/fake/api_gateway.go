package fake

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// ForeignStage is another team's stage, which no stack created. It is listed,
// but not served.
type ForeignStage struct {
	// API is its API's id; AddStage creates one if it is empty.
	API string
	// Name is prod if empty.
	Name string
	// V2 makes it a stage of an HTTP or WebSocket API instead of a REST API;
	// Protocol is HTTP or WEBSOCKET, HTTP if empty.
	V2       bool
	Protocol string
	// AccessLogs is the ARN of the access log destination; empty means none.
	AccessLogs string
	// LoggingLevel of the execution logs is ERROR, INFO or OFF; empty is a
	// stage without method settings.
	LoggingLevel string
}

// AddStage adds another team's stage to the account, and its API if it is new.
func (f Surroundings) AddStage(s ForeignStage) (apiID string) {
	if s.API == "" {
		s.API = strings.ToLower(wire.NewID(5))
	}
	if s.Name == "" {
		s.Name = "prod"
	}
	if s.Protocol == "" {
		s.Protocol = "HTTP"
	}
	f.apis.mu.Lock()
	defer f.apis.mu.Unlock()
	f.apis.foreign = append(f.apis.foreign, s)
	return s.API
}

// SetAPIGatewayRole sets the account's CloudWatch role, as another team would;
// empty removes it.
func (f Surroundings) SetAPIGatewayRole(arn string) { f.apis.setAccountRole(arn) }

// foreignStages returns those of one kind of API, of all APIs if apiID is
// empty.
func (a *apis) foreignStages(v2 bool, apiID string) []ForeignStage {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(a.foreign), func(s ForeignStage) bool { return s.V2 != v2 || apiID != "" && s.API != apiID })
}

// serve handles the account's settings and lists of APIs and stages; those of
// version 2 are under /v2.
func (f gatewayAPI) serve(w http.ResponseWriter, r *request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	version2 := strings.HasPrefix(path, "/v2/")
	resource := strings.TrimPrefix(path, "/v2")
	parts := strings.Split(strings.TrimPrefix(resource, "/"), "/")
	var operation string
	switch collection := map[bool]string{false: "restapis", true: "apis"}[version2]; {
	case path == "/account" && r.Method == http.MethodGet:
		operation = "GetAccount"
	case path == "/account" && r.Method == http.MethodPatch:
		operation = "UpdateAccount"
	case len(parts) == 1 && parts[0] == collection && r.Method == http.MethodGet:
		operation = map[bool]string{false: "GetRestApis", true: "GetApis"}[version2]
	case !version2 && len(parts) == 2 && parts[0] == collection && r.Method == http.MethodGet:
		operation = "GetRestApi"
	case len(parts) == 3 && parts[0] == collection && parts[2] == "stages" && r.Method == http.MethodGet:
		operation = "GetStages"
	case !version2 && len(parts) == 4 && parts[0] == collection && parts[2] == "stages" && r.Method == http.MethodGet:
		operation = "GetStage"
	case !version2 && len(parts) == 4 && parts[0] == collection && parts[2] == "stages" && r.Method == http.MethodPatch:
		operation = "UpdateStage"
	case !version2 && len(parts) == 3 && parts[0] == collection && parts[2] == "deployments" && r.Method == http.MethodPost:
		operation = "CreateDeployment"
	case !version2 && len(parts) == 4 && parts[0] == collection && parts[2] == "deployments" && r.Method == http.MethodDelete:
		operation = "DeleteDeployment"
	default:
		f.refuse(w, r, notThere(r))
		return
	}
	r.is(r.Method, "arn:aws:apigateway:"+f.options.Region+"::"+resource)
	r.call.Operation = operation
	if f.faulty(w, r) {
		return
	}
	out, err := f.answer(r, operation, version2, parts)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	status := http.StatusOK
	switch operation {
	case "CreateDeployment":
		status = http.StatusCreated
	case "DeleteDeployment":
		w.WriteHeader(http.StatusAccepted)
		return
	}
	wire.WriteJSON(w, status, "application/json", out)
}

func (f gatewayAPI) answer(r *request, operation string, version2 bool, parts []string) (any, error) {
	switch operation {
	case "GetAccount":
		return f.describeAccount(), nil
	case "UpdateAccount":
		if err := f.updateAccount(r.body); err != nil {
			return nil, err
		}
		return f.describeAccount(), nil
	case "GetStages":
		stages, ok := f.stages(version2, parts[1])
		if !ok {
			return nil, &wire.Error{Status: http.StatusNotFound, Code: "NotFoundException", Message: "Invalid API identifier specified " + f.options.Account + ":" + parts[1]}
		}
		if !version2 {
			return map[string]any{"item": stages}, nil // in one page
		}
		return page(r, stages, "items", "maxResults", "nextToken", "nextToken"), nil
	case "GetStage", "UpdateStage", "CreateDeployment", "DeleteDeployment":
		return f.stageOrDeployment(operation, parts, r.body)
	case "GetRestApi":
		return f.describeAPI(parts[1])
	case "GetApis":
		return page(r, f.apiList(true), "items", "maxResults", "nextToken", "nextToken"), nil
	}
	return page(r, f.apiList(false), "item", "limit", "position", "position"), nil
}

// page returns up to limit entries, 25 by default, starting at the token.
func page(r *request, all []map[string]any, list, limit, token, next string) map[string]any {
	n, err := strconv.Atoi(r.URL.Query().Get(limit))
	if err != nil || n < 1 {
		n = 25
	}
	from, err := strconv.Atoi(r.URL.Query().Get(token))
	if err != nil || from < 0 || from > len(all) {
		from = 0
	}
	to := min(from+n, len(all))
	out := map[string]any{list: all[from:to]}
	if to < len(all) {
		out[next] = strconv.Itoa(to)
	}
	return out
}

func (f gatewayAPI) describeAccount() map[string]any {
	out := map[string]any{"apiKeyVersion": "4", "features": []string{"UsagePlans"}, "throttleSettings": map[string]any{"burstLimit": 5000, "rateLimit": 10000}}
	if role := f.apis.accountRole(); role != "" {
		out["cloudwatchRoleArn"] = role
	}
	return out
}

// updateAccount accepts what API Gateway accepts: replacing the role, also by
// an empty one, but not removing it.
func (f gatewayAPI) updateAccount(body []byte) error {
	var in struct {
		PatchOperations []struct{ Op, Path, Value string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return wire.Errorf("BadRequestException", "read request: %v", err)
	}
	for _, o := range in.PatchOperations {
		if o.Op != "replace" || o.Path != "/cloudwatchRoleArn" {
			return wire.Errorf("BadRequestException", "Invalid patch operation specified: %s of %s. An account takes 'replace' of /cloudwatchRoleArn.", o.Op, o.Path)
		}
		if _, ok := f.registry.find("AWS::IAM::Role", roleName(o.Value)); !ok && o.Value != "" {
			return wire.Errorf("BadRequestException", "%s", badLogRole)
		}
		f.apis.setAccountRole(o.Value)
	}
	return nil
}

// apiList lists the stacks' APIs and those of other teams.
func (f gatewayAPI) apiList(version2 bool) []map[string]any {
	out := []map[string]any{}
	if !version2 {
		for _, api := range f.registry.list("AWS::ApiGateway::RestApi") {
			out = append(out, map[string]any{"id": api.id, "name": str(api.props, "Name"), "createdDate": api.created.Unix(), "apiKeySource": "HEADER"})
		}
	}
	seen := map[string]bool{}
	for _, s := range f.apis.foreignStages(version2, "") {
		if seen[s.API] {
			continue
		}
		seen[s.API] = true
		if !version2 {
			out = append(out, map[string]any{"id": s.API, "name": "foreign-" + s.API, "createdDate": 0, "apiKeySource": "HEADER"})
			continue
		}
		out = append(out, map[string]any{"apiId": s.API, "name": "foreign-" + s.API, "protocolType": s.Protocol, "routeSelectionExpression": "$request.body.action"})
	}
	return out
}

// stages lists an API's stages; ok is false if the API doesn't exist.
func (f gatewayAPI) stages(version2 bool, apiID string) (out []map[string]any, ok bool) {
	out = []map[string]any{}
	if !version2 {
		_, ok = f.registry.find("AWS::ApiGateway::RestApi", apiID)
		for _, s := range f.partsOf("AWS::ApiGateway::Stage", apiID) {
			out = append(out, f.describeStage(s))
		}
	}
	for _, s := range f.apis.foreignStages(version2, apiID) {
		ok = true
		stage := map[string]any{"stageName": s.Name}
		if s.AccessLogs != "" {
			stage["accessLogSettings"] = map[string]any{"destinationArn": s.AccessLogs, "format": "$context.requestId"}
		}
		switch settings := map[string]any{"loggingLevel": s.LoggingLevel}; {
		case s.LoggingLevel == "":
		case version2:
			stage["defaultRouteSettings"] = settings
		default:
			stage["methodSettings"] = map[string]any{"*/*": settings}
		}
		out = append(out, stage)
	}
	return out, ok
}

func (f gatewayAPI) describeStage(s *physical) map[string]any {
	_, name, _ := strings.Cut(s.id, "|")
	out := map[string]any{
		"variables": child(s.props, "Variables"),
		"stageName": name, "deploymentId": str(s.props, "DeploymentId"), "tracingEnabled": flag(s.props, "TracingEnabled"),
		"cacheClusterEnabled": false, "cacheClusterStatus": "NOT_AVAILABLE", "createdDate": s.created.Unix(), "lastUpdatedDate": time.Now().Unix(),
	}
	if logs := child(s.props, "AccessLogSetting"); len(logs) > 0 {
		out["accessLogSettings"] = map[string]any{"destinationArn": str(logs, "DestinationArn"), "format": str(logs, "Format")}
	}
	settings := map[string]any{}
	for _, m := range children(s.props, "MethodSettings") {
		path := strings.TrimPrefix(str(m, "ResourcePath"), "/") + "/" + str(m, "HttpMethod")
		settings[path] = map[string]any{
			"loggingLevel": str(m, "LoggingLevel"), "metricsEnabled": flag(m, "MetricsEnabled"), "dataTraceEnabled": flag(m, "DataTraceEnabled"),
			"throttlingRateLimit": float(m, "ThrottlingRateLimit", -1), "throttlingBurstLimit": number(m, "ThrottlingBurstLimit", -1),
		}
	}
	out["methodSettings"] = settings
	for _, a := range f.registry.list("AWS::WAFv2::WebACLAssociation") {
		if strings.HasSuffix(str(a.props, "ResourceArn"), "/restapis/"+str(s.props, "RestApiId")+"/stages/"+name) {
			out["webAclArn"] = str(a.props, "WebACLArn")
		}
	}
	return out
}

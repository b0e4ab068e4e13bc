package fake

import (
	"fmt"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// apis are the deployed snapshots of REST APIs, and the account's settings.
type apis struct {
	fake *account

	mu          sync.Mutex
	deployments map[string]*deployment
	role        string
	foreign     []ForeignStage
	buckets     map[string]*rate.Limiter // of the limits of methods
}

func newAPIs(f *account) *apis { return &apis{fake: f, deployments: map[string]*deployment{}} }

// deployment is a snapshot of an API.
type deployment struct {
	apiID     string
	routes    []route
	responses map[string]gatewayResponse // by response type
	binary    []string                   // media types
}

// route is a method of a resource.
type route struct {
	method   string
	template string   // /metrics/{metric}
	parts    []string // of the template
	auth     string
	function string // ARN, for a proxy integration
	resource string // id
	mock     mockResponse
	models   map[string]*bodyModel
	validate bool
	required []string // request parameters, method.request.querystring.x
	timeout  int      // milliseconds
}

// gatewayResponse is a response of the gateway itself.
type gatewayResponse struct {
	status    string
	headers   map[string]string
	templates map[string]string
}

func (a *apis) accountRole() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.role
}

func (a *apis) setAccountRole(arn string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.role = arn
}

// has reports whether a deployment exists, in a stack or outside.
func (a *apis) has(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.deployments[id] != nil
}

func (a *apis) undeploy(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.deployments, id)
}

func (a *apis) remove(apiID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, d := range a.deployments {
		if d.apiID == apiID {
			delete(a.deployments, id)
		}
	}
}

// deploy takes the snapshot.
func (a *apis) deploy(id, apiID string) error {
	f := a.fake
	d := &deployment{apiID: apiID, responses: map[string]gatewayResponse{}}
	if api, ok := f.registry.find("AWS::ApiGateway::RestApi", apiID); ok {
		d.binary = items(api.props, "BinaryMediaTypes")
	}
	for _, m := range f.gateway.partsOf("AWS::ApiGateway::Method", apiID) {
		r, err := f.gateway.route(apiID, m.props)
		if err != nil {
			return err
		}
		d.routes = append(d.routes, r)
	}
	for _, g := range f.gateway.partsOf("AWS::ApiGateway::GatewayResponse", apiID) {
		d.responses[str(g.props, "ResponseType")] = gatewayResponse{
			status: str(g.props, "StatusCode"), headers: texts(child(g.props, "ResponseParameters")), templates: texts(child(g.props, "ResponseTemplates")),
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deployments[id] = d
	return nil
}

// mockResponse is the response of a MOCK integration: its headers are fixed,
// since mapping templates aren't evaluated.
type mockResponse struct {
	status  int
	headers map[string]string
}

func (f gatewayAPI) route(apiID string, props map[string]any) (route, error) {
	integration := child(props, "Integration")
	r := route{
		method: str(props, "HttpMethod"), template: f.pathOf(apiID, str(props, "ResourceId")), auth: str(props, "AuthorizationType"),
		resource: str(props, "ResourceId"), models: map[string]*bodyModel{}, timeout: number(integration, "TimeoutInMillis", 29000),
	}
	r.parts = strings.Split(strings.Trim(r.template, "/"), "/")
	if responses := children(integration, "IntegrationResponses"); str(integration, "Type") == "MOCK" && len(responses) > 0 {
		r.mock = mockResponse{status: number(responses[0], "StatusCode", 200), headers: texts(child(responses[0], "ResponseParameters"))}
	}
	if _, after, ok := strings.Cut(str(integration, "Uri"), "/functions/"); ok {
		r.function = strings.TrimSuffix(after, "/invocations")
	}
	if v, ok := f.registry.find("AWS::ApiGateway::RequestValidator", str(props, "RequestValidatorId")); ok {
		r.validate = flag(v.props, "ValidateRequestBody")
		if flag(v.props, "ValidateRequestParameters") {
			for name, needed := range child(props, "RequestParameters") {
				if fmt.Sprint(needed) == "true" {
					r.required = append(r.required, name)
				}
			}
		}
	}
	for mediaType, name := range child(props, "RequestModels") {
		model, ok := f.registry.find("AWS::ApiGateway::Model", partID(apiID, fmt.Sprint(name)))
		if !ok {
			continue
		}
		schema, err := compileModel(model.props["Schema"])
		if err != nil {
			return r, fmt.Errorf("deploy model %s: %w", name, err)
		}
		r.models[mediaType] = schema
	}
	return r, nil
}

// pathOf returns a resource's full path.
func (f gatewayAPI) pathOf(apiID, resourceID string) string {
	if resourceID == rootOf(apiID) {
		return "/"
	}
	p, ok := f.registry.find("AWS::ApiGateway::Resource", resourceID)
	if !ok {
		return "/"
	}
	return strings.TrimSuffix(f.pathOf(apiID, str(p.props, "ParentId")), "/") + "/" + str(p.props, "PathPart")
}

func texts(m map[string]any) map[string]string {
	out := map[string]string{}
	for key, v := range m {
		out[key] = fmt.Sprint(v)
	}
	return out
}

// find returns the stage's deployment and the route of a path; params are the
// path parameters. stage is nil if the stage is unknown, route if the route is.
func (a *apis) find(apiID, stageName, method, path string) (stage *physical, d *deployment, r *route, params map[string]string) {
	for _, s := range a.fake.gateway.partsOf("AWS::ApiGateway::Stage", apiID) {
		if s.id == partID(apiID, stageName) {
			stage = s
		}
	}
	if stage == nil {
		return nil, nil, nil, nil
	}
	a.mu.Lock()
	d = a.deployments[str(stage.props, "DeploymentId")]
	a.mu.Unlock()
	if d == nil {
		return stage, nil, nil, nil
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := range d.routes {
		candidate := &d.routes[i]
		if candidate.method != method && candidate.method != "ANY" {
			continue
		}
		if p, ok := candidate.match(parts); ok && (r == nil || len(p) < len(params)) {
			r, params = candidate, p // a literal part takes precedence over a parameter
		}
	}
	return stage, d, r, params
}

func (r *route) match(parts []string) (map[string]string, bool) {
	params := map[string]string{}
	for i, part := range r.parts {
		name, isParam := strings.CutPrefix(part, "{")
		name = strings.TrimSuffix(name, "}")
		if rest, greedy := strings.CutSuffix(name, "+"); isParam && greedy && i < len(parts) {
			params[rest] = strings.Join(parts[i:], "/")
			return params, true
		}
		switch {
		case i >= len(parts):
			return nil, false
		case isParam && parts[i] != "":
			params[name] = parts[i]
		case part != parts[i]:
			return nil, false
		}
	}
	return params, len(parts) == len(r.parts)
}

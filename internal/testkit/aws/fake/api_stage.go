package fake

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// stageOrDeployment handles calls for one stage, and for deployments that no
// stack created.
func (f gatewayAPI) stageOrDeployment(operation string, parts []string, body []byte) (any, error) {
	api := parts[1]
	switch operation {
	case "CreateDeployment":
		return f.createDeployment(api, body)
	case "DeleteDeployment":
		return nil, f.deleteDeployment(api, parts[3])
	}
	s, ok := f.registry.find("AWS::ApiGateway::Stage", partID(api, parts[3]))
	if !ok {
		return nil, &wire.Error{Status: http.StatusNotFound, Code: "NotFoundException", Message: "Invalid stage identifier specified"}
	}
	if operation == "UpdateStage" {
		if f.apiStatus(api) == apiUpdating {
			return nil, apiBusy(api)
		}
		var err error
		if s, err = f.patchStage(s, body); err != nil {
			return nil, err
		}
	}
	return f.describeStage(s), nil
}

// createDeployment takes a snapshot outside the stack, and points a stage at it
// if one is given.
func (f gatewayAPI) createDeployment(api string, body []byte) (any, error) {
	var in struct{ StageName string }
	if err := json.Unmarshal(body, &in); err != nil && len(body) > 0 {
		return nil, wire.Errorf("BadRequestException", "read request: %v", err)
	}
	if _, ok := f.registry.find("AWS::ApiGateway::RestApi", api); !ok {
		return nil, &wire.Error{Status: http.StatusNotFound, Code: "NotFoundException", Message: "Invalid API identifier specified " + f.options.Account + ":" + api}
	}
	id := strings.ToLower(wire.NewID(5))
	if err := f.apis.deploy(id, api); err != nil {
		return nil, err
	}
	if in.StageName != "" {
		s, ok := f.registry.find("AWS::ApiGateway::Stage", partID(api, in.StageName))
		if !ok {
			return nil, wire.Errorf("BadRequestException", "the fake can't create a stage outside a stack")
		}
		f.changeStage(s, func(props map[string]any) { props["DeploymentId"] = id })
	}
	return map[string]any{"id": id, "createdDate": time.Now().Unix()}, nil
}

func (f gatewayAPI) deleteDeployment(api, id string) error {
	if f.deployed(api, id) {
		return wire.Errorf("BadRequestException", "%s", stageInUse)
	}
	if !f.apis.has(id) {
		return &wire.Error{Status: http.StatusNotFound, Code: "NotFoundException", Message: "Invalid Deployment identifier specified"}
	}
	f.apis.undeploy(id)
	return nil
}

// stageInUse is the error for deleting a deployment that a stage uses.
const stageInUse = "Active stages pointing to this deployment must be moved or deleted"

// deployed reports whether a stage uses a deployment.
func (f gatewayAPI) deployed(api, id string) bool {
	return slices.ContainsFunc(f.partsOf("AWS::ApiGateway::Stage", api), func(s *physical) bool { return str(s.props, "DeploymentId") == id })
}

// changeStage changes a stage outside its stack.
func (f gatewayAPI) changeStage(s *physical, change func(props map[string]any)) *physical {
	changed := *s
	changed.props = maps.Clone(s.props)
	change(changed.props)
	f.registry.put(&changed)
	return &changed
}

// methodSetting returns the index of the setting of one method, and the property, that a
// patch's path names; -1 if it names none.
func methodSetting(settings []any, path string) (index int, property string) {
	key, name, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/throttling/")
	property = map[string]string{"rateLimit": "ThrottlingRateLimit", "burstLimit": "ThrottlingBurstLimit"}[name]
	if !ok || property == "" {
		return -1, ""
	}
	return slices.IndexFunc(settings, func(m any) bool {
		s, ok := m.(map[string]any)
		return ok && strings.TrimPrefix(str(s, "ResourcePath"), "/")+"/"+str(s, "HttpMethod") == key
	}), property
}

// variableValue matches the values that API Gateway accepts for a stage variable.
var variableValue = regexp.MustCompile(`^[A-Za-z0-9\-._~:/?#&=,]{0,512}$`)

// patchStage supports patches of the throttle, of variables and of the deployment. It
// applies either all patches or none.
func (f gatewayAPI) patchStage(s *physical, body []byte) (*physical, error) {
	var in struct {
		PatchOperations []struct{ Op, Path, Value string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, wire.Errorf("BadRequestException", "read request: %v", err)
	}
	variables := maps.Clone(child(s.props, "Variables"))
	if variables == nil {
		variables = map[string]any{}
	}
	deployment, all := str(s.props, "DeploymentId"), map[string]any{"ResourcePath": "/*", "HttpMethod": "*"}
	settings := []any{}
	for _, m := range children(s.props, "MethodSettings") {
		if str(m, "ResourcePath") == "/*" && str(m, "HttpMethod") == "*" {
			all = maps.Clone(m)
			continue
		}
		settings = append(settings, m)
	}
	for _, o := range in.PatchOperations {
		name, isVariable := strings.CutPrefix(o.Path, "/variables/")
		limit := map[string]string{"/*/*/throttling/rateLimit": "ThrottlingRateLimit", "/*/*/throttling/burstLimit": "ThrottlingBurstLimit"}[o.Path]
		own, property := methodSetting(settings, o.Path)
		switch {
		case isVariable && o.Op == "replace":
			if !variableValue.MatchString(o.Value) {
				return nil, wire.Errorf("BadRequestException", "Invalid stage variable value: %s. Use at most 512 letters, digits, and characters of -._~:/?#&=,", o.Value)
			}
			variables[name] = o.Value
		case isVariable && o.Op == "remove" && variables[name] != nil:
			delete(variables, name)
		case limit != "" && o.Op == "replace":
			if _, err := strconv.ParseFloat(o.Value, 64); err != nil {
				return nil, wire.Errorf("BadRequestException", "Invalid patch value specified: %s", o.Value)
			}
			all[limit] = o.Value
		case own >= 0 && o.Op == "replace":
			if _, err := strconv.ParseFloat(o.Value, 64); err != nil {
				return nil, wire.Errorf("BadRequestException", "Invalid patch value specified: %s", o.Value)
			}
			changed := maps.Clone(settings[own].(map[string]any))
			changed[property] = o.Value
			settings[own] = changed
		case o.Path == "/*/*" && o.Op == "remove":
			all = nil
		case o.Path == "/deploymentId" && o.Op == "replace":
			if !f.apis.has(o.Value) {
				return nil, wire.Errorf("BadRequestException", "Deployment id does not exist")
			}
			deployment = o.Value
		default:
			return nil, wire.Errorf("BadRequestException", "Invalid patch operation specified: %s of %s", o.Op, o.Path)
		}
	}
	if all != nil {
		settings = append(settings, all)
	}
	return f.changeStage(s, func(props map[string]any) {
		props["Variables"], props["MethodSettings"], props["DeploymentId"] = variables, settings, deployment
	}), nil
}

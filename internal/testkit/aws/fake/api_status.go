package fake

import (
	"context"
	"net/http"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// apiUpdating is the status of a REST API whose security policy changes.
const apiUpdating = "UPDATING"

// SetAPIStatus puts a REST API into a status for a time.
func (f Surroundings) SetAPIStatus(id, status string, d time.Duration) {
	f.stores.enter(apiPhase(id), d, status)
}

func apiPhase(id string) string { return "restapi/" + id }

func (f gatewayAPI) apiStatus(id string) string {
	if status := f.stores.status(apiPhase(id)); status != available {
		return status
	}
	return "AVAILABLE"
}

// apiBusy rejects a change of an API during another one.
func apiBusy(id string) error {
	return &wire.Error{Status: http.StatusConflict, Code: "ConflictException", Message: "Unable to complete operation due to concurrent modification of API " + id + ". Please try again later."}
}

// describeAPI returns a stack's REST API.
func (f gatewayAPI) describeAPI(id string) (any, error) {
	api, ok := f.registry.find("AWS::ApiGateway::RestApi", id)
	if !ok {
		return nil, &wire.Error{Status: http.StatusNotFound, Code: "NotFoundException", Message: "Invalid API identifier specified " + f.options.Account + ":" + id}
	}
	out := map[string]any{"id": id, "name": str(api.props, "Name"), "createdDate": api.created.Unix(), "apiKeySource": "HEADER", "apiStatus": f.apiStatus(id)}
	for property, name := range map[string]string{"SecurityPolicy": "securityPolicy", "EndpointAccessMode": "endpointAccessMode"} {
		if v := str(api.props, property); v != "" {
			out[name] = v
		}
	}
	return out, nil
}

// changeTLS puts an API into UPDATING if its TLS settings change, for
// Options.APIUpdate. A second change, also that of a rollback, is rejected until then.
func changeTLS(_ context.Context, f *account, r cfn.Request) (map[string]any, error) {
	p, ok := f.registry.find("AWS::ApiGateway::RestApi", r.PhysicalID)
	same := func(name string) bool { return str(p.props, name) == str(r.Properties, name) }
	if !ok || same("SecurityPolicy") && same("EndpointAccessMode") {
		return nil, nil
	}
	if f.gateway.apiStatus(r.PhysicalID) == apiUpdating {
		return nil, handlerError("ApiGateway", 409, apiBusy(r.PhysicalID).Error(), "ResourceConflict")
	}
	if f.options.APIUpdate > 0 {
		f.stores.enter(apiPhase(r.PhysicalID), f.options.APIUpdate, apiUpdating)
	}
	return nil, nil
}

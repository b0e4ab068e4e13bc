package template

import (
	"strings"

	"github.com/awslabs/goformation/v7/cloudformation/apigateway"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

// clientRoute is a route without signatures, for clients with a write key. One resource
// has all paths below it, because each resource and method costs bytes: ingest itself
// rejects unknown paths and methods.
type clientRoute struct {
	resource, all, method string // logical ids
	path                  string
}

func clientRoutes() []clientRoute {
	return []clientRoute{
		{idApiClients, idApiClientsAll, idApiClientsAny, api.PathClients},
		{idApiBeacon, idApiBeaconAll, idApiBeaconAny, api.PathBeacon},
	}
}

// addClientRoutes adds the routes of clients with a write key, if there are keys.
func (t *Template) addClientRoutes(v config.Variables) {
	if len(v.WriteKeys) == 0 {
		return
	}
	for _, r := range clientRoutes() {
		first, rest, _ := strings.Cut(strings.TrimPrefix(r.path, "/"), "/")
		t.addPathPart(r.resource, GetAtt(idApi, "RootResourceId"), first)
		t.addPathPart(r.all, Ref(r.resource), rest)
		method := t.method(r.all, "ANY", contract.FuncIngest)
		method.AuthorizationType = new("NONE") // ingest checks the write key
		t.add(r.method, method)
	}
}

// addClientPermissions lets the API invoke ingest for these routes.
func (t *Template) addClientPermissions(v config.Variables) {
	if len(v.WriteKeys) == 0 {
		return
	}
	t.addPermission("IngestClients", contract.FuncIngest, "*/v1/*")
	t.addPermission("IngestBeacon", contract.FuncIngest, "*/beacon/*")
}

// clientSettings are the limits of these routes. Without limits of their own, unsigned
// requests would use up those of signed ones. API Gateway finds a setting by the verb of
// the request, so one for ANY would have no effect.
func clientSettings(v config.Variables) []apigateway.Stage_MethodSetting {
	rate, burst := v.ClientLimits()
	var settings []apigateway.Stage_MethodSetting
	for _, r := range clientRoutes() {
		for _, verb := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
			settings = append(settings, apigateway.Stage_MethodSetting{
				ResourcePath: new("/" + strings.ReplaceAll(r.path, "/", "~1")), HttpMethod: new(verb),
				MetricsEnabled: new(true), LoggingLevel: new("OFF"),
				ThrottlingRateLimit: new(float64(rate)), ThrottlingBurstLimit: new(burst),
			})
		}
	}
	return settings
}

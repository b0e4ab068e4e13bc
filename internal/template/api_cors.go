package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/awslabs/goformation/v7/cloudformation/apigateway"

	"github.com/streamctl/streamctl/internal/api"
)

// addPreflight responds to a browser's preflight request, without authorization: a
// preflight can't be signed.
func (t *Template) addPreflight(id, resourceID, verb string, origins []string) {
	const header = "method.response.header.Access-Control-"
	response := apigateway.Method_IntegrationResponse{
		StatusCode: "204",
		ResponseParameters: map[string]string{
			header + "Allow-Headers": quoted(api.CORSRequestHeaders),
			header + "Allow-Methods": quoted(verb + ",OPTIONS"),
			header + "Max-Age":       quoted("3600"),
		},
	}
	declared := []string{"Allow-Headers", "Allow-Methods", "Max-Age", "Allow-Origin"}
	if len(origins) == 1 {
		response.ResponseParameters[header+"Allow-Origin"] = quoted(origins[0])
	} else {
		response.ResponseTemplates = map[string]string{"application/json": chooseOrigin(origins)}
	}
	responses := map[string]any{}
	for _, name := range declared {
		responses[header+name] = true
	}
	t.add(id, with(&apigateway.Method{
		RestApiId: Ref(idApi), ResourceId: Ref(resourceID), HttpMethod: "OPTIONS", AuthorizationType: new("NONE"),
		Integration: &apigateway.Method_Integration{
			Type: "MOCK", PassthroughBehavior: new("WHEN_NO_MATCH"), ContentHandling: new("CONVERT_TO_TEXT"),
			RequestTemplates:     map[string]string{"application/json": `{"statusCode":200}`},
			IntegrationResponses: []apigateway.Method_IntegrationResponse{response},
		},
	}, map[string]any{"MethodResponses": []any{map[string]any{"StatusCode": "204", "ResponseParameters": responses}}}))
}

// chooseOrigin returns a mapping template: the header can contain only one origin, so
// it contains the request's origin if that is allowed.
func chooseOrigin(origins []string) string {
	var asks []string
	for _, o := range origins {
		asks = append(asks, fmt.Sprintf("$origin == '%s'", o))
	}
	return "#set($origin = $input.params('Origin'))#if(" + strings.Join(asks, " || ") +
		")#set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)#end"
}

// corsOrigin is the header's value in the gateway's own responses.
func corsOrigin(origins []string) string {
	if len(origins) == 1 {
		return quoted(origins[0])
	}
	return "method.request.header.Origin"
}

func quoted(value string) string { return "'" + value + "'" }

// addCORS responds to preflight requests on each route and lets pages read the
// gateway's own errors.
func (t *Template) addCORS(origins []string) {
	if len(origins) == 0 {
		return
	}
	origins = slices.Clone(origins)
	t.addPreflight("ApiOptionsEvents", idApiEvents, "POST", origins)
	t.addPreflight("ApiOptionsMetric", idApiMetric, "GET", origins)
}

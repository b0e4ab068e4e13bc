package ingest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/api"
)

// settings responds to the requests without which the browser libraries send nothing:
// projects/KEY/settings of Segment's, and sourceConfig of RudderStack's. The responses
// have no settings of a user, and only the key that the request has.
func (h *Handler) settings(req events.APIGatewayProxyRequest, path string) (events.APIGatewayProxyResponse, error) {
	text, isProject := strings.CutPrefix(path, "projects/")
	text, isSettings := strings.CutSuffix(text, "/settings")
	isProject = isProject && isSettings
	if !isProject && path != "sourceConfig" {
		return api.NewProblem(http.StatusNotFound, "there is nothing at this path").Response()
	}
	if !isProject {
		text = requestKey(req)
	}
	k := h.keys.find(text)
	if refused := checkKey(req, k); refused != nil {
		return refused.Response()
	}
	if isProject {
		return document(segmentSettings(text))
	}
	return document(rudderSettings(text, k.Name))
}

// segmentSettings enables the destination that sends to this API, and no reports to the
// library's vendor.
func segmentSettings(key string) any {
	on := map[string]any{"__default": map[string]any{"enabled": true, "integrations": map[string]any{}}}
	return map[string]any{
		"integrations": map[string]any{"Segment.io": map[string]any{
			"apiKey": key, "unbundledIntegrations": []string{}, "addBundledMetadata": true, "maybeBundledConfigIds": map[string]any{},
			"versionSettings": map[string]any{"version": "4.4.7", "componentTypes": []string{"browser"}},
		}},
		"plan":                 map[string]any{"track": on, "identify": on, "group": on},
		"edgeFunction":         map[string]any{},
		"analyticsNextEnabled": true,
		"middlewareSettings":   map[string]any{},
		"enabledMiddleware":    map[string]any{},
		"metrics":              map[string]any{"sampleRate": 0},
		"remotePlugins":        []string{},
	}
}

func rudderSettings(key, name string) any {
	off := map[string]any{"enabled": false}
	return map[string]any{"source": map[string]any{
		"id": name, "name": name, "writeKey": key, "enabled": true, "workspaceId": "streamctl", "dataplanes": map[string]any{}, "destinations": []string{},
		"config": map[string]any{"statsCollection": map[string]any{"errors": off, "metrics": off}},
	}}
}

func document(v any) (events.APIGatewayProxyResponse, error) {
	body, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("encode settings: %w", err)
	}
	return events.APIGatewayProxyResponse{
		StatusCode: http.StatusOK, Body: string(body),
		Headers: map[string]string{"Content-Type": "application/json", "Cache-Control": "max-age=300"},
	}, nil
}

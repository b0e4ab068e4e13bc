package api_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/api"
)

func TestAllow(t *testing.T) {
	const page = "https://www.example.com"
	for _, tt := range []struct {
		name    string
		origins []string
		header  map[string]string
		want    string
	}{
		{"off", nil, map[string]string{"Origin": page}, ""},
		{"allowed", []string{"https://a.example.com", page}, map[string]string{"origin": page}, page},
		{"another", []string{page}, map[string]string{"Origin": "https://evil.example.com"}, ""},
		{"no page", []string{page}, nil, ""},
		{"every", []string{"*"}, map[string]string{"Origin": "https://any.example.com"}, "*"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := api.AllowOrigins(tt.origins, http.MethodPost, func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
				return events.APIGatewayProxyResponse{StatusCode: 202, Headers: map[string]string{"Content-Type": "application/json"}}, nil
			})
			got, err := h(t.Context(), events.APIGatewayProxyRequest{Headers: tt.header})
			if err != nil || got.Headers["Access-Control-Allow-Origin"] != tt.want || got.Headers["Content-Type"] != "application/json" {
				t.Errorf("got %v, %v", got.Headers, err)
			}
			if (len(tt.origins) > 0) != (got.Headers["Vary"] == "Origin") {
				t.Errorf("Vary: %q", got.Headers["Vary"])
			}
		})
	}
	for _, tt := range []struct {
		name, origin, want string
	}{{"an allowed page", page, page}, {"another page", "https://evil.example.com", ""}} {
		t.Run("preflight of "+tt.name, func(t *testing.T) {
			h := api.AllowOrigins([]string{"https://a.example.com", page}, http.MethodPost, func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
				t.Error("the function got the preflight")
				return events.APIGatewayProxyResponse{}, nil
			})
			got, err := h(t.Context(), events.APIGatewayProxyRequest{HTTPMethod: http.MethodOptions, Headers: map[string]string{"Origin": tt.origin}})
			if err != nil || got.StatusCode != http.StatusNoContent || got.Headers["Access-Control-Allow-Origin"] != tt.want || got.Headers["Access-Control-Allow-Methods"] != "POST,OPTIONS" {
				t.Errorf("got %d %v, %v", got.StatusCode, got.Headers, err)
			}
		})
	}
	broken := errors.New("broken")
	h := api.AllowOrigins([]string{"*"}, http.MethodGet, func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		return events.APIGatewayProxyResponse{}, broken
	})
	if _, err := h(t.Context(), events.APIGatewayProxyRequest{}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

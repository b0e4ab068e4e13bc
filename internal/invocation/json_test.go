package invocation_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/streamctl/streamctl/internal/invocation"
)

// TestJSONIsLambdas compares JSON with the library's handler.
func TestJSONIsLambdas(t *testing.T) {
	refused := errors.New("refused")
	for _, tt := range []struct {
		name, payload string
		fails         error
	}{
		{"a request", `{"httpMethod":"POST","path":"/events","headers":{"a":"b"},"body":"<&>\u2028"}`, nil},
		{"another case", `{"HTTPMETHOD":"POST","BODY":"x"}`, nil},
		{"new fields", `{"newer":[1]}`, nil},
		{"null", `null`, nil},
		{"an error", `{}`, refused},
		{"another type", `{"body":1}`, nil},
		{"no JSON", `{`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			handle := func(_ context.Context, r events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
				return events.APIGatewayProxyResponse{StatusCode: 200, Body: r.HTTPMethod + r.Body}, tt.fails
			}
			ours, ourErr := invocation.JSON(handle).Invoke(t.Context(), []byte(tt.payload))
			theirs, theirErr := lambda.NewHandler(handle).Invoke(t.Context(), []byte(tt.payload))
			if (ourErr == nil) != (theirErr == nil) || tt.fails != nil && !errors.Is(ourErr, tt.fails) {
				t.Errorf("error %v, the library's %v", ourErr, theirErr)
			}
			if !bytes.Equal(ours, bytes.TrimSpace(theirs)) {
				t.Errorf("response %s, the library's %s", ours, theirs)
			}
		})
	}
}

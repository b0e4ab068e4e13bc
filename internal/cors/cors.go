// Package cors lets web pages of chosen origins read a function's answers. The
// preflight requests are the gateway's to answer.
package cors

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Handler answers an API's request.
type Handler func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)

// Allow adds the headers that a browser wants to next's answers where the
// request comes from one of the origins; "*" is every origin. Without origins
// nothing is added.
func Allow(origins []string, next Handler) Handler {
	if len(origins) == 0 {
		return next
	}
	return func(ctx context.Context, r events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		response, err := next(ctx, r)
		if err != nil {
			return response, err
		}
		if response.Headers == nil {
			response.Headers = map[string]string{}
		}
		response.Headers["Vary"] = "Origin"
		origin := header(r.Headers, "Origin")
		switch {
		case slices.Contains(origins, "*"):
			response.Headers["Access-Control-Allow-Origin"] = "*"
		case origin != "" && slices.Contains(origins, origin):
			response.Headers["Access-Control-Allow-Origin"] = origin
		default:
			return response, nil
		}
		response.Headers["Access-Control-Expose-Headers"] = "ETag,Retry-After,x-amzn-ErrorType,x-amzn-RequestId"
		return response, nil
	}
}

// header finds a header whose case is the client's.
func header(headers map[string]string, name string) string {
	for k, v := range headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

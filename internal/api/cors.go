package api

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// CORSRequestHeaders are the headers of a signed request from a browser, as the
// gateway lists them in a preflight response.
const CORSRequestHeaders = "Authorization,Content-Type,Content-Encoding,X-Amz-Date,X-Amz-Security-Token,X-Amz-Content-Sha256,If-None-Match"

// CORSResponseHeaders are the response headers that a page may read, beside
// those that every page may.
const CORSResponseHeaders = "ETag,Retry-After,x-amzn-ErrorType,x-amzn-RequestId"

// Handler answers a request of API Gateway.
type Handler func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)

// AllowOrigins adds CORS headers to the responses of next for requests from one
// of the origins; "*" is every origin. Without origins it adds nothing. Preflight
// requests do not reach a function: the gateway answers them.
func AllowOrigins(origins []string, next Handler) Handler {
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
		response.Headers["Access-Control-Expose-Headers"] = CORSResponseHeaders
		return response, nil
	}
}

// header returns the value of a header, whose name API Gateway passes as the
// client wrote it.
func header(headers map[string]string, name string) string {
	for k, v := range headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

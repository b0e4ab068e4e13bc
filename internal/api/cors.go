package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/pattern"
)

// corsRequestHeaders are the headers of a signed request from a browser.
const corsRequestHeaders = "Authorization,Content-Type,Content-Encoding,X-Amz-Date,X-Amz-Security-Token,X-Amz-Content-Sha256,If-None-Match"

// corsResponseHeaders are the response headers that a page may read, in addition to
// those that every page may.
const corsResponseHeaders = "ETag,Retry-After,x-amzn-ErrorType,x-amzn-RequestId"

// Handler answers a request of API Gateway.
type Handler func(context.Context, events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error)

// preflightSeconds is how long a browser caches a preflight response.
const preflightSeconds = "3600"

// AllowOrigins adds CORS headers to the responses of next for requests from one of the
// origins; "*" is every origin. It responds itself to preflight requests, which
// carry no signature, and allows method and OPTIONS. Without origins it adds nothing.
func AllowOrigins(origins []string, method string, next Handler) Handler {
	if len(origins) == 0 {
		return next
	}
	allowed := func(origin string) bool { return origin != "" && slices.Contains(origins, origin) }
	return allow(allowed, slices.Contains(origins, "*"), preflight(method+",OPTIONS", corsRequestHeaders), next)
}

// clientRequestHeaders are the headers of the libraries of Segment and RudderStack. A
// retry has more, which differ by version: X-Retry-Count, Rsa-Retry-Attempt and others.
const clientRequestHeaders = "Authorization,Content-Type,AnonymousId,SentAt"

// requestedHeaders matches a list of headers in a preflight request.
var requestedHeaders = pattern.New(`^[A-Za-z0-9-]+( *, *[A-Za-z0-9-]+)*$`)

// maxRequestedHeaders bounds that list, in bytes.
const maxRequestedHeaders = 1000

// AllowClients is AllowOrigins for the routes of clients with a write key. A preflight
// request has no key, so allowed decides by the origins of all keys.
func AllowClients(allowed func(origin string) bool, next Handler) Handler {
	respond := func(r events.APIGatewayProxyRequest) events.APIGatewayProxyResponse {
		headers := clientRequestHeaders
		if asked := Header(r.Headers, "Access-Control-Request-Headers"); len(asked) <= maxRequestedHeaders && requestedHeaders.MatchString(asked) {
			headers += "," + asked
		}
		return preflight("GET,POST,OPTIONS", headers)(r)
	}
	return allow(func(origin string) bool { return origin != "" && allowed(origin) }, false, respond, next)
}

// allow adds CORS headers for allowed origins. With star, every response has the same.
func allow(allowed func(origin string) bool, star bool, preflight func(events.APIGatewayProxyRequest) events.APIGatewayProxyResponse, next Handler) Handler {
	return func(ctx context.Context, r events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
		var response events.APIGatewayProxyResponse
		if r.HTTPMethod == http.MethodOptions {
			response = preflight(r)
		} else {
			var err error
			if response, err = next(ctx, r); err != nil {
				return response, err
			}
		}
		if response.Headers == nil {
			response.Headers = map[string]string{}
		}
		response.Headers["Vary"] = "Origin"
		origin := Header(r.Headers, "Origin")
		switch {
		case star:
			response.Headers["Access-Control-Allow-Origin"] = "*"
		case allowed(origin):
			response.Headers["Access-Control-Allow-Origin"] = origin
		default:
			return response, nil
		}
		response.Headers["Access-Control-Expose-Headers"] = corsResponseHeaders
		return response, nil
	}
}

func preflight(methods, headers string) func(events.APIGatewayProxyRequest) events.APIGatewayProxyResponse {
	return func(events.APIGatewayProxyRequest) events.APIGatewayProxyResponse {
		return events.APIGatewayProxyResponse{StatusCode: http.StatusNoContent, Headers: map[string]string{
			"Access-Control-Allow-Headers": headers,
			"Access-Control-Allow-Methods": methods,
			"Access-Control-Max-Age":       preflightSeconds,
		}}
	}
}

// Header returns the value of a header, whose name API Gateway passes as the
// client wrote it.
func Header(headers map[string]string, name string) string {
	for k, v := range headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

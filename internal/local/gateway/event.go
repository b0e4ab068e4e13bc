package gateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/local/sigv4"
)

// Limits of API Gateway and Lambda, in bytes.
const (
	// MaxBody is API Gateway's limit for a body.
	MaxBody = 10 << 20
	// MaxEvent is Lambda's limit for the event of an invocation.
	MaxEvent = 6 << 20
)

// Call is a request for a function.
type Call struct {
	*http.Request
	// Body is the body without its Content-Encoding. Binary reports whether its
	// media type is one of the API's binary media types.
	Body   []byte
	Binary bool
	// Resource is the route, such as /metrics/{metric}, ResourceID its id, and
	// Params its path parameters.
	Resource, ResourceID string
	Params               map[string]string
	// Path is the path without the stage.
	Path string
	// APIID, Stage and Account identify the API, RequestID the request.
	APIID, Stage, Account, RequestID string
	// Caller is the signer; zero if the API does not require signatures.
	Caller sigv4.Credential
	route  *Route
}

// Event returns the proxy event, payload format 1.0, as JSON.
func (c *Call) Event() ([]byte, error) {
	headers, multiHeaders := map[string]string{}, map[string][]string{}
	for name, values := range c.Header {
		headers[name], multiHeaders[name] = values[len(values)-1], values
	}
	headers["Host"], multiHeaders["Host"] = c.Host, []string{c.Host}
	for name, value := range map[string]string{"X-Forwarded-Port": "443", "X-Forwarded-Proto": "https", "X-Forwarded-For": c.sourceIP()} {
		headers[name], multiHeaders[name] = value, []string{value}
	}
	event := map[string]any{
		"resource": c.Resource, "path": c.Path, "httpMethod": c.Method, "headers": headers, "multiValueHeaders": multiHeaders,
		"queryStringParameters": nil, "multiValueQueryStringParameters": nil, "pathParameters": nil, "stageVariables": nil,
		"requestContext": c.context(), "body": nil, "isBase64Encoded": false,
	}
	if query := parseQuery(c.URL.RawQuery); len(query) > 0 {
		single, multi := map[string]string{}, map[string][]string{}
		for name, values := range query {
			single[name], multi[name] = values[len(values)-1], values
		}
		event["queryStringParameters"], event["multiValueQueryStringParameters"] = single, multi
	}
	if len(c.Params) > 0 {
		event["pathParameters"] = c.Params
	}
	binary := c.Binary && len(c.Body) > 0
	switch {
	case binary:
		event["isBase64Encoded"] = true
		delete(event, "body")
	case len(c.Body) > 0:
		event["body"] = strings.ToValidUTF8(string(c.Body), "�") // API Gateway damages a binary body of any other media type
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("marshal proxy event: %w", err)
	}
	if !binary {
		return payload, nil
	}
	// Append the body directly: it may be by far the largest part.
	const name = `,"body":"`
	payload = slices.Grow(payload[:len(payload)-1], len(name)+base64.StdEncoding.EncodedLen(len(c.Body))+len(`"}`))
	payload = base64.StdEncoding.AppendEncode(append(payload, name...), c.Body)
	return append(payload, `"}`...), nil
}

func (c *Call) context() map[string]any {
	identity := map[string]any{
		"sourceIp": c.sourceIP(), "userAgent": c.UserAgent(), "userArn": nil, "caller": nil, "user": nil, "accessKey": nil, "accountId": nil,
		"cognitoIdentityId": nil, "cognitoIdentityPoolId": nil, "cognitoAuthenticationType": nil, "cognitoAuthenticationProvider": nil, "principalOrgId": nil,
	}
	if c.Caller.AccessKeyID != "" {
		identity["userArn"], identity["accessKey"], identity["accountId"] = c.Caller.ARN, c.Caller.AccessKeyID, c.Account
		identity["caller"], identity["user"] = c.Caller.Principal, c.Caller.Principal
	}
	now := time.Now()
	return map[string]any{
		"accountId": c.Account, "apiId": c.APIID, "stage": c.Stage, "requestId": c.RequestID, "extendedRequestId": c.RequestID,
		"requestTime": now.UTC().Format("02/Jan/2006:15:04:05 +0000"), "requestTimeEpoch": now.UnixMilli(), "identity": identity,
		"resourceId": c.ResourceID, "resourcePath": c.Resource, "httpMethod": c.Method, "protocol": c.Proto,
		"path": c.URL.Path, "domainName": c.Host, "domainPrefix": c.APIID,
	}
}

func (c *Call) sourceIP() string {
	host, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		return c.RemoteAddr
	}
	return host
}

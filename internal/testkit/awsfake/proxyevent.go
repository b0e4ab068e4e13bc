package awsfake

import (
	"encoding/base64"
	"net"
	"strings"
	"time"
)

// proxyEvent is API Gateway's proxy event, format 1.0.
func (a *apis) proxyEvent(x *exchange) map[string]any {
	headers, multiHeaders := map[string]string{}, map[string][]string{}
	for name, values := range x.Header {
		headers[name], multiHeaders[name] = values[len(values)-1], values
	}
	headers["Host"], multiHeaders["Host"] = x.Host, []string{x.Host}
	for name, value := range map[string]string{"X-Forwarded-Port": "443", "X-Forwarded-Proto": "https", "X-Forwarded-For": sourceIP(x)} {
		headers[name], multiHeaders[name] = value, []string{value}
	}
	event := map[string]any{
		"resource": x.route.template, "path": x.path, "httpMethod": x.Method, "headers": headers, "multiValueHeaders": multiHeaders,
		"queryStringParameters": nil, "multiValueQueryStringParameters": nil, "pathParameters": nil, "stageVariables": nil,
		"requestContext": a.requestContext(x), "body": nil, "isBase64Encoded": false,
	}
	if query := x.URL.Query(); len(query) > 0 {
		single, multi := map[string]string{}, map[string][]string{}
		for name, values := range query {
			single[name], multi[name] = values[len(values)-1], values
		}
		event["queryStringParameters"], event["multiValueQueryStringParameters"] = single, multi
	}
	if len(x.params) > 0 {
		event["pathParameters"] = x.params
	}
	if len(x.body) > 0 {
		event["body"] = strings.ToValidUTF8(string(x.body), "�") // an undeclared binary body is corrupted
		if x.isBinary() {
			event["body"], event["isBase64Encoded"] = base64.StdEncoding.EncodeToString(x.body), true
		}
	}
	return event
}

func (a *apis) requestContext(x *exchange) map[string]any {
	identity := map[string]any{
		"sourceIp": sourceIP(x), "userAgent": x.UserAgent(), "userArn": nil, "caller": nil, "user": nil, "accessKey": nil, "accountId": nil,
		"cognitoIdentityId": nil, "cognitoIdentityPoolId": nil, "cognitoAuthenticationType": nil, "cognitoAuthenticationProvider": nil, "principalOrgId": nil,
	}
	if x.holder.AccessKeyID != "" {
		identity["userArn"], identity["accessKey"], identity["accountId"] = x.holder.ARN, x.holder.AccessKeyID, a.fake.options.Account
		identity["caller"], identity["user"] = x.holder.Principal, x.holder.Principal
	}
	now := time.Now()
	return map[string]any{
		"accountId": a.fake.options.Account, "apiId": x.apiID, "stage": a.stageName(x), "requestId": x.requestID, "extendedRequestId": x.requestID,
		"requestTime": now.UTC().Format("02/Jan/2006:15:04:05 +0000"), "requestTimeEpoch": now.UnixMilli(), "identity": identity,
		"resourceId": x.route.resource, "resourcePath": x.route.template, "httpMethod": x.Method, "protocol": x.Proto,
		"path": x.URL.Path, "domainName": x.Host, "domainPrefix": x.apiID,
	}
}

func sourceIP(x *exchange) string {
	host, _, err := net.SplitHostPort(x.RemoteAddr)
	if err != nil {
		return x.RemoteAddr
	}
	return host
}

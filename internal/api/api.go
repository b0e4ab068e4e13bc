// Package api declares the platform's HTTP API: its paths, the body of every
// request and response, CORS headers, problem documents, and the client that
// calls it. Functions and clients use the same types, so a body is declared once.
//
// The package knows no AWS SDK: the template and the dashboard import it.
package api

import (
	"net/url"
	"strings"
)

// Paths of the API, below the stage. PathMetric has the metric's name as its
// parameter.
const (
	PathEvents = "/events"
	PathMetric = "/metrics/{" + ParameterMetric + "}"
	// PathClients and PathBeacon are for clients with a write key, which don't sign. A
	// single route has all paths below it.
	PathClients = "/v1/{proxy+}"
	PathBeacon  = "/beacon/{proxy+}"
)

// ParameterMetric is the path parameter of PathMetric.
const ParameterMetric = "metric"

// Metrics that every platform has. Declared metrics have other names.
const (
	MetricSummary = "summary"
	MetricEvents  = "events"
	MetricUsers   = "users"
	MetricAlerts  = "alerts"
)

// MetricPath returns the path and query of a metric. name is not escaped: a
// metric's name consists of a-z, 0-9 and underscores.
func MetricPath(name string, query url.Values) string {
	path := strings.Replace(PathMetric, "{"+ParameterMetric+"}", name, 1)
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

// BinaryMediaTypes are the media types whose bodies reach a function byte for
// byte, in base64. That is every type: API Gateway turns each byte of a text
// body that isn't UTF-8 into U+FFFD, and different user ids into the same one.
// A body of event.MaxBodyBytes in base64 fits into Lambda's 6 MB for an event;
// as JSON text, with every quote escaped, it need not.
func BinaryMediaTypes() []string { return []string{"*/*"} }

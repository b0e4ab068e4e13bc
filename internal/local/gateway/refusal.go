package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/streamctl/streamctl/internal/local/sigv4"
)

// Refusal is an error response of API Gateway itself.
type Refusal struct {
	Status int
	// ResponseType is the type of the GatewayResponse; empty for a response
	// that cannot be customized.
	ResponseType string
	// ErrorType is the header x-amzn-ErrorType.
	ErrorType string
	Message   string
	// Validation is a request validator's message about the body; only the AWS
	// stand-in has validators.
	Validation string
}

// Refusals that don't depend on the request.
var (
	// Forbidden is for a host or stage that doesn't exist.
	Forbidden = Refusal{Status: http.StatusForbidden, ErrorType: "ForbiddenException", Message: "Forbidden"}
	// NoRoute is also for a request without a signature, so that callers
	// without a key cannot probe for routes.
	NoRoute = Refusal{Status: http.StatusForbidden, ResponseType: "MISSING_AUTHENTICATION_TOKEN", ErrorType: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
	// TooLarge is for a body over MaxBody, or an event over MaxEvent.
	TooLarge = Refusal{Status: http.StatusRequestEntityTooLarge, ResponseType: "REQUEST_TOO_LARGE", ErrorType: "RequestTooLargeException", Message: "Request Too Long"}
	// Unsupported is for an unknown Content-Encoding, or a body that does not
	// match it.
	Unsupported = Refusal{Status: http.StatusUnsupportedMediaType, ResponseType: "UNSUPPORTED_MEDIA_TYPE", ErrorType: "UnsupportedMediaTypeException", Message: "Unsupported Media Type"}
	// Overloaded is for a body that doesn't fit in memory now, TooSlow for a
	// body that did not arrive completely in time. AWS has neither.
	Overloaded = Refusal{Status: http.StatusServiceUnavailable, ResponseType: "DEFAULT_5XX", ErrorType: "ServiceUnavailableException", Message: "too many large requests are under way: send the same again in a moment"}
	TooSlow    = Refusal{Status: http.StatusRequestTimeout, ResponseType: "DEFAULT_4XX", ErrorType: "RequestTimeoutException", Message: "the body did not arrive completely within 30 s"}
	Throttled  = Refusal{Status: http.StatusTooManyRequests, ResponseType: "THROTTLED", ErrorType: "TooManyRequestsException", Message: "Too Many Requests"}
	// NotAllowed is for an integration that may not, or cannot, be called.
	NotAllowed = Refusal{Status: http.StatusInternalServerError, ResponseType: "API_CONFIGURATION_ERROR", ErrorType: "InternalServerErrorException", Message: "Internal server error"}
	// Broken is for a function that failed or returned a malformed response.
	Broken = Refusal{Status: http.StatusBadGateway, ResponseType: "INTEGRATION_FAILURE", ErrorType: "InternalServerErrorException", Message: "Internal server error"}
	// TimedOut is for a function that exceeded the integration timeout.
	TimedOut = Refusal{Status: http.StatusGatewayTimeout, ResponseType: "INTEGRATION_TIMEOUT", ErrorType: "InternalServerErrorException", Message: "Endpoint request timed out"}
)

// BadBody is for a body that a request validator rejects.
func BadBody(validation string) Refusal {
	return Refusal{Status: http.StatusBadRequest, ResponseType: "BAD_REQUEST_BODY", ErrorType: "BadRequestException", Message: "Invalid request body", Validation: validation}
}

// MissingParameter is for a missing required parameter.
func MissingParameter(name string) Refusal {
	return Refusal{Status: http.StatusBadRequest, ResponseType: "BAD_REQUEST_PARAMETERS", ErrorType: "BadRequestException", Message: "Missing required request parameters: [" + name + "]"}
}

// foreignHost is for a host name that isn't this API's: it may belong to
// another site's page and point here (DNS rebinding).
func foreignHost(host, use string) Refusal {
	return Refusal{Status: http.StatusMisdirectedRequest, ResponseType: "ACCESS_DENIED", ErrorType: "ForbiddenException",
		Message: "this API does not answer for the host " + strconv.Quote(shorten(host)) + ": send the request to http://" + use}
}

// foreignPage is for a request that a browser sends on behalf of another site's
// page.
func foreignPage(origin string) Refusal {
	return Refusal{Status: http.StatusForbidden, ResponseType: "ACCESS_DENIED", ErrorType: "ForbiddenException",
		Message: "a page of " + shorten(origin) + " may not call this API: add its origin to CorsAllowedOrigins in variables.yaml"}
}

// shorten limits how much of a request a response repeats.
func shorten(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// BadSignature converts an error of package sigv4 into API Gateway's response.
func BadSignature(err error) Refusal {
	var bad *sigv4.Error
	if !errors.As(err, &bad) {
		return Refusal{Status: http.StatusInternalServerError, ResponseType: "DEFAULT_5XX", ErrorType: "InternalServerErrorException", Message: "Internal server error"}
	}
	r := Refusal{Status: http.StatusForbidden, ResponseType: "INVALID_SIGNATURE", ErrorType: "InvalidSignatureException", Message: bad.Message}
	switch bad.Kind {
	case sigv4.Missing:
		return NoRoute
	case sigv4.Malformed:
		r.ErrorType = "IncompleteSignatureException"
	case sigv4.UnknownKey:
		r.ResponseType, r.ErrorType = "DEFAULT_4XX", "UnrecognizedClientException"
	}
	return r
}

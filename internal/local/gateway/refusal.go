package gateway

import (
	"errors"
	"net/http"

	"github.com/streamctl/streamctl/internal/local/sigv4"
)

// Refusal is an answer of API Gateway itself.
type Refusal struct {
	Status int
	// ResponseType is of a GatewayResponse; empty for a refusal that can't be
	// changed by one.
	ResponseType string
	// ErrorType is the header x-amzn-ErrorType.
	ErrorType string
	Message   string
	// Validation says what a model has against a body.
	Validation string
}

// The refusals that don't depend on the request.
var (
	// Forbidden is for a host or a stage that doesn't exist.
	Forbidden = Refusal{Status: http.StatusForbidden, ErrorType: "ForbiddenException", Message: "Forbidden"}
	// NoRoute is also for a request without a signature, so that nobody can ask
	// which routes there are.
	NoRoute = Refusal{Status: http.StatusForbidden, ResponseType: "MISSING_AUTHENTICATION_TOKEN", ErrorType: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
	// TooLarge is for a body over MaxBody, or an event over MaxEvent.
	TooLarge  = Refusal{Status: http.StatusRequestEntityTooLarge, ResponseType: "REQUEST_TOO_LARGE", ErrorType: "RequestTooLargeException", Message: "Request Too Long"}
	Throttled = Refusal{Status: http.StatusTooManyRequests, ResponseType: "THROTTLED", ErrorType: "TooManyRequestsException", Message: "Too Many Requests"}
	// NotAllowed is an integration that may not, or can't, be called.
	NotAllowed = Refusal{Status: http.StatusInternalServerError, ResponseType: "API_CONFIGURATION_ERROR", ErrorType: "InternalServerErrorException", Message: "Internal server error"}
	// Broken is a function that failed, or answered with what is no answer.
	Broken = Refusal{Status: http.StatusBadGateway, ResponseType: "INTEGRATION_FAILURE", ErrorType: "InternalServerErrorException", Message: "Internal server error"}
	// TimedOut is a function that took longer than the integration may.
	TimedOut = Refusal{Status: http.StatusGatewayTimeout, ResponseType: "INTEGRATION_TIMEOUT", ErrorType: "InternalServerErrorException", Message: "Endpoint request timed out"}
)

// BadBody is a body that a model refuses.
func BadBody(validation string) Refusal {
	return Refusal{Status: http.StatusBadRequest, ResponseType: "BAD_REQUEST_BODY", ErrorType: "BadRequestException", Message: "Invalid request body", Validation: validation}
}

// MissingParameter is a required parameter that isn't there.
func MissingParameter(name string) Refusal {
	return Refusal{Status: http.StatusBadRequest, ResponseType: "BAD_REQUEST_PARAMETERS", ErrorType: "BadRequestException", Message: "Missing required request parameters: [" + name + "]"}
}

// BadSignature is what API Gateway makes of an error of sigv4.
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

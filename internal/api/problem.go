package api

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/event"
)

// ProblemType is the media type of a Problem.
const ProblemType = "application/problem+json"

// Problem is the body of an error response (RFC 9457). The member "type" is
// missing, which means "about:blank".
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status,omitzero"`
	// Detail is the reason and the fix.
	Detail string `json:"detail,omitempty"`
	// Errors are the rejected fields, each with the index of its event.
	Errors []event.FieldError `json:"errors,omitempty"`
	// Results has an entry per event, if the events were read.
	Results []EventResult `json:"results,omitempty"`
	// RequestID is set in the gateway's own responses, which have no Status.
	RequestID string `json:"requestId,omitempty"`
	// RetryAfterSeconds becomes the header Retry-After unless it is 0.
	RetryAfterSeconds int `json:"-"`
}

// NewProblem returns a problem whose title is the text of the HTTP status.
func NewProblem(status int, detail string) Problem {
	return Problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

// Response returns the response for API Gateway.
func (p Problem) Response() (events.APIGatewayProxyResponse, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("encode problem: %w", err)
	}
	headers := map[string]string{"Content-Type": ProblemType, "Cache-Control": "no-store"}
	if p.RetryAfterSeconds > 0 {
		headers["Retry-After"] = strconv.Itoa(p.RetryAfterSeconds)
	}
	return events.APIGatewayProxyResponse{StatusCode: p.Status, Headers: headers, Body: string(body)}, nil
}

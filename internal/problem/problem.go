// Package problem answers HTTP requests that can't be served, in the form of
// RFC 9457.
package problem

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/event"
)

// Problem is the body of such an answer. Type is left out: "about:blank".
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail says what is wrong and what would be right.
	Detail string `json:"detail,omitempty"`
	// Errors name event and field.
	Errors []event.FieldError `json:"errors,omitempty"`
	// Results has an entry per event, where the request got that far.
	Results any `json:"results,omitempty"`
	// RetryAfterSeconds becomes the header Retry-After when it isn't zero.
	RetryAfterSeconds int `json:"-"`
}

// New makes a problem whose title is the status's own text.
func New(status int, detail string) Problem {
	return Problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

// Response gives the answer for API Gateway.
func (p Problem) Response() (events.APIGatewayProxyResponse, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("encode problem: %w", err)
	}
	headers := map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
	if p.RetryAfterSeconds > 0 {
		headers["Retry-After"] = strconv.Itoa(p.RetryAfterSeconds)
	}
	return events.APIGatewayProxyResponse{StatusCode: p.Status, Headers: headers, Body: string(body)}, nil
}

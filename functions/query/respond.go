package query

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// retryAfterSeconds is the Retry-After of a response when cache and warehouse
// are unavailable.
const retryAfterSeconds = 5

// refuse returns the response for an error.
func refuse(ctx context.Context, log *slog.Logger, err error) (events.APIGatewayProxyResponse, error) {
	var wrong *parameterError
	var unknown *unknownMetricError
	var invalid *insight.ParameterError
	switch {
	case errors.As(err, &invalid):
		return api.NewProblem(http.StatusBadRequest, invalid.Error()).Response()
	case errors.Is(err, warehouse.ErrQuestionTooLarge):
		return api.NewProblem(http.StatusUnprocessableEntity, warehouse.ErrQuestionTooLarge.Error()+": shorten the range, or declare the properties in InsightProperties").Response()
	case errors.Is(err, warehouse.ErrQuestionsBusy):
		p := api.NewProblem(http.StatusServiceUnavailable, warehouse.ErrQuestionsBusy.Error()+"; try again in a few seconds")
		p.RetryAfterSeconds = retryAfterSeconds
		return p.Response()
	case errors.As(err, &wrong):
		return api.NewProblem(http.StatusBadRequest, wrong.Error()).Response()
	case errors.As(err, &unknown):
		return api.NewProblem(http.StatusNotFound, unknown.Error()).Response()
	}
	log.ErrorContext(ctx, "query not answered", "err", err)
	p := api.NewProblem(http.StatusServiceUnavailable, errUnavailable.Error()+"; try again in a few seconds")
	p.RetryAfterSeconds = retryAfterSeconds
	return p.Response()
}

// respond encodes a response, or returns 304 if the client already has it.
func respond(req events.APIGatewayProxyRequest, r result, now time.Time) (events.APIGatewayProxyResponse, error) {
	body, err := json.Marshal(r.body, json.Deterministic(true))
	if err != nil {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("encode response: %w", err)
	}
	tag := entityTag(body)
	resp := events.APIGatewayProxyResponse{
		StatusCode: http.StatusOK, Body: string(body),
		Headers: map[string]string{"Content-Type": "application/json", "Cache-Control": cacheControl(r, now), "ETag": tag},
	}
	if matches(req, tag) {
		resp.StatusCode, resp.Body = http.StatusNotModified, ""
		delete(resp.Headers, "Content-Type")
	}
	return resp, nil
}

// cacheControl returns how long a client may cache a response. Responses are
// private, because the caller's identity is part of the request.
func cacheControl(r result, now time.Time) string {
	switch {
	case r.stale:
		return "no-store"
	case settled(r.ended, now):
		return "private, max-age=3600"
	}
	return "private, max-age=5"
}

func settled(ended, now time.Time) bool { return now.Sub(ended) > settledAfter }

func entityTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// matches reports whether If-None-Match contains the tag. A proxy may have
// changed it to a weak tag.
func matches(req events.APIGatewayProxyRequest, tag string) bool {
	for name, value := range req.Headers {
		if !strings.EqualFold(name, "If-None-Match") {
			continue
		}
		for one := range strings.SplitSeq(value, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}

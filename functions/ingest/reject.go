package ingest

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
)

// maxField and maxCaller bound the texts of a client in the log, in bytes.
const (
	maxField  = 100
	maxCaller = 200
)

// logRejected logs the rejected events of a request in one line: how many, the first
// reason with its field, and the caller. The line has nothing of the events' content but
// the path of the field.
func (h *Handler) logRejected(ctx context.Context, req events.APIGatewayProxyRequest, count int, first event.FieldError) {
	if count == 0 {
		return
	}
	caller := req.RequestContext.Identity.UserArn
	if caller == "" {
		caller = req.RequestContext.Identity.SourceIP
	}
	h.Log.InfoContext(ctx, contract.LogRejected, "count", count, "reason", reason(first.Detail), "field", bounded(first.Field, maxField),
		"caller", bounded(caller, maxCaller), "request", req.RequestContext.RequestID)
}

// rejected returns the number of rejected events and the first reason.
func rejected(results []api.EventResult) (count int, first event.FieldError) {
	for _, r := range results {
		if r.Status != http.StatusBadRequest {
			continue
		}
		if count == 0 && len(r.Errors) > 0 {
			first = r.Errors[0]
		}
		count++
	}
	return count, first
}

// reason returns the part of a detail before its examples, which may quote the event.
func reason(detail string) string {
	end := strings.IndexAny(detail, "\"'\\(:;,")
	if end < 0 {
		return detail
	}
	short := strings.TrimSpace(detail[:end])
	switch short {
	case "holds":
		return "holds half of a surrogate pair"
	case "beside":
		return "the object has other members beside events"
	}
	return short
}

// bounded cuts a text at the end of a character.
func bounded(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

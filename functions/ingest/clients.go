package ingest

import (
	"bufio"
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/segment"
)

// clients handles the requests of clients with a write key. The gateway passes every
// path and method below the two routes.
func (h *Handler) clients(ctx context.Context, req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	return api.AllowClients(func(origin string) bool { return contract.AllowsOrigin(h.origins, origin) }, h.client)(ctx, req)
}

func (h *Handler) client(ctx context.Context, req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	path := strings.Trim(req.PathParameters["proxy"], "/")
	if req.Resource == api.PathBeacon {
		path, _ = strings.CutPrefix(path, "v1/")
	}
	call, ok := segment.Call(path)
	switch {
	case !ok && req.HTTPMethod == http.MethodGet && req.Resource == api.PathClients:
		return h.settings(req, path)
	case !ok || req.Resource == api.PathBeacon && call != "":
		return api.NewProblem(http.StatusNotFound, "there is nothing at this path").Response()
	case req.HTTPMethod != http.MethodPost:
		return api.NewProblem(http.StatusMethodNotAllowed, "send messages with POST").Response()
	}
	return h.messages(ctx, req, call)
}

// messages accepts the messages of a request. It never responds with a part: if the
// stream did not acknowledge all valid messages, the client must send all again.
func (h *Handler) messages(ctx context.Context, req events.APIGatewayProxyRequest, call string) (events.APIGatewayProxyResponse, error) {
	text := requestKey(req)
	if text != "" && h.keys.find(text) == nil { // before the body is read
		return h.turnAway(ctx, req, unknownKey())
	}
	body, refused := readBody(req, segment.MaxBodyBytes)
	if refused != nil {
		return h.turnAway(ctx, req, refused)
	}
	r, err := segment.Parse(body, call)
	if err != nil {
		return h.turnAway(ctx, req, refuse(http.StatusBadRequest, err.Error()))
	}
	if text == "" {
		text = r.WriteKey
	}
	k := h.keys.find(text)
	if refused := h.admit(req, k); refused != nil {
		return h.turnAway(ctx, req, refused)
	}
	if h.env.Privacy.HonorDoNotTrack && (api.Header(req.Headers, "DNT") == "1" || api.Header(req.Headers, "Sec-GPC") == "1") {
		return success()
	}
	if unavailable := h.readSecret(ctx); unavailable != nil {
		h.count(ctx, 0, 0, r.Messages())
		return unavailable.Response()
	}
	return h.acceptMessages(ctx, req, r, k)
}

// admit checks the key of a request, the page that sends it, and the key's rate.
func (h *Handler) admit(req events.APIGatewayProxyRequest, k *key) *api.Problem {
	if refused := checkKey(req, k); refused != nil {
		return refused
	}
	if k.limit != nil && !k.limit.AllowN(h.Clock.Now(), 1) {
		p := refuse(http.StatusTooManyRequests, "too many requests with the write key "+k.Name+": send again later")
		p.RetryAfterSeconds = 1
		return p
	}
	return nil
}

// checkKey checks the key of a request, and the page that sends it.
func checkKey(req events.APIGatewayProxyRequest, k *key) *api.Problem {
	if k == nil {
		return unknownKey()
	}
	if origin := api.Header(req.Headers, "Origin"); origin != "" && !k.allows(origin) {
		return refuse(http.StatusForbidden, "the write key "+k.Name+" doesn't allow pages of this origin: add it to the key's Origins in variables.yaml")
	}
	return nil
}

func unknownKey() *api.Problem {
	return refuse(http.StatusUnauthorized, "the write key is missing or unknown: set it as the library's write key")
}

// requestKey returns the write key in the headers or the query string; empty if the body
// may have it.
func requestKey(req events.APIGatewayProxyRequest) string {
	const basic = "basic "
	header := api.Header(req.Headers, "Authorization")
	if len(header) > len(basic) && strings.EqualFold(header[:len(basic)], basic) {
		if plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(header[len(basic):])); err == nil {
			user, _, _ := strings.Cut(string(plain), ":")
			return user
		}
	}
	return req.QueryStringParameters["writeKey"]
}

// turnAway counts and logs a request of which nothing was accepted.
func (h *Handler) turnAway(ctx context.Context, req events.APIGatewayProxyRequest, p *api.Problem) (events.APIGatewayProxyResponse, error) {
	if p.Status != http.StatusTooManyRequests { // the client sends it again
		h.count(ctx, 0, 1, 0)
		h.logRejected(ctx, req, 1, event.FieldError{Detail: p.Detail})
	}
	return p.Response()
}

// acceptMessages puts the valid messages on the stream.
func (h *Handler) acceptMessages(ctx context.Context, req events.APIGatewayProxyRequest, r *segment.Request, k *key) (events.APIGatewayProxyResponse, error) {
	received := h.Clock.Now().UTC().Truncate(time.Microsecond)
	receipt := segment.Receipt{
		At: received, SentAt: api.Header(req.Headers, "SentAt"), Random: bufio.NewReaderSize(h.Random, 16*event.RandomBytes), Privacy: h.privacy,
	}
	if ms := req.RequestContext.RequestTimeEpoch; ms > 0 {
		receipt.At = time.UnixMilli(ms).UTC()
	}
	if api.Header(req.Headers, "Origin") != "" { // a server's address is not a user's
		receipt.IP = req.RequestContext.Identity.SourceIP
	}
	good := make([]event.Envelope, 0, r.Messages())
	bad, first := 0, event.FieldError{}
	for i := range r.Messages() {
		m, wrong := r.Event(i, receipt)
		if len(wrong) == 0 {
			wrong = h.checkMessage(m.Event, received)
		}
		if len(wrong) > 0 {
			if bad == 0 {
				first = wrong[0]
			}
			bad++
			continue
		}
		good = append(good, event.Envelope{
			Event: m.Event, ReceivedAt: received, RequestID: req.RequestContext.RequestID, Index: i, ClientTime: m.ClientTime, Skew: m.Skew.Truncate(time.Millisecond), Links: m.Links,
		})
	}
	stored, err := h.put(ctx, good)
	if err != nil {
		h.Log.ErrorContext(ctx, "events not stored", "request", req.RequestContext.RequestID, "err", err)
	}
	accepted := 0
	for _, ok := range stored {
		if ok {
			accepted++
		}
	}
	h.logRejected(ctx, req, bad, first)
	h.count(ctx, accepted, bad, len(good)-accepted)
	if accepted < len(good) {
		p := refuse(http.StatusServiceUnavailable, "the stream did not acknowledge all messages of the key "+k.Name+": send the same messages again; duplicates are ignored")
		p.RetryAfterSeconds = retryAfterSeconds
		return p.Response()
	}
	return success()
}

// checkMessage checks the event of a message like any other event.
func (h *Handler) checkMessage(e event.Event, received time.Time) []event.FieldError {
	if wrong, ok := e.CheckReplaced(); !ok {
		return []event.FieldError{wrong}
	}
	if wrong, ok := e.CheckReceipt(received, h.env.EventMaxAgeDays); !ok {
		return []event.FieldError{wrong}
	}
	return nil
}

func success() (events.APIGatewayProxyResponse, error) {
	return events.APIGatewayProxyResponse{
		StatusCode: http.StatusOK, Body: `{"success":true}`,
		Headers: map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"},
	}, nil
}

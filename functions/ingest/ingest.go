// Package ingest accepts events over HTTP and puts them on the stream. An
// event is acknowledged only after the stream has acknowledged it.
package ingest

import (
	"bufio"
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/segment"
)

// Stream is the part of Kinesis that ingest needs; *kinesis.Client satisfies
// it.
type Stream interface {
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

// Deps are the dependencies of a Handler.
type Deps struct {
	Stream Stream
	// Secret reads the secret for hashing user ids. It is called only if they are hashed.
	Secret func(context.Context) (string, error)
	// Random is the source of event ids; nil means crypto/rand.Reader.
	Random  io.Reader
	Clock   pause.Clock
	Metrics emf.Emitter
	Log     *slog.Logger
}

// Handler handles POST /events, and the requests of clients with a write key.
type Handler struct {
	Deps
	env     contract.Ingest
	keys    keyring
	origins []string // of all keys
	privacy *segment.Privacy
	hasher  *hasher
}

// New returns a handler. It is safe for concurrent use if Deps is.
func New(env contract.Ingest, d Deps) *Handler {
	if d.Random == nil {
		d.Random = rand.Reader
	}
	ids := &hasher{}
	return &Handler{
		Deps: d, env: env, keys: newKeyring(env.WriteKeys), origins: contract.UnionOrigins(env.CorsOrigins, env.WriteKeys),
		privacy: privacyOf(env.Privacy, ids.hash), hasher: ids,
	}
}

// NewStream returns a client that does not retry: the handler decides which
// records to retry and how much time is left.
func NewStream(cfg aws.Config, getenv func(string) string) *kinesis.Client {
	return kinesis.NewFromConfig(cfg, func(o *kinesis.Options) {
		o.BaseEndpoint = awshttp.Endpoint(getenv, "KINESIS")
		o.RetryMaxAttempts = 1
	})
}

// retryAfterSeconds is the Retry-After of a response when the stream is
// unavailable.
const retryAfterSeconds = 2

// Handle handles one request and adds the CORS headers for the origins in the
// environment. Every request gets a response; an error is a bug.
func (h *Handler) Handle(ctx context.Context, req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	if req.Resource == api.PathClients || req.Resource == api.PathBeacon {
		return h.clients(ctx, req)
	}
	return api.AllowOrigins(h.env.CorsOrigins, http.MethodPost, h.handle)(ctx, req)
}

func (h *Handler) handle(ctx context.Context, req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	body, refused := readBody(req, event.MaxBodyBytes)
	if refused == nil {
		read, wrong := event.Read(body)
		if wrong == nil {
			if unavailable := h.readSecret(ctx); unavailable != nil {
				h.count(ctx, 0, 0, len(read))
				return unavailable.Response()
			}
			return h.accept(ctx, req, read)
		}
		p := api.NewProblem(http.StatusBadRequest, wrong.Detail)
		refused = &p
	}
	h.count(ctx, 0, 1, 0)
	h.logRejected(ctx, req, 1, event.FieldError{Detail: refused.Detail})
	return refused.Response()
}

// accept puts the valid events on the stream and responds with each event's
// result.
func (h *Handler) accept(ctx context.Context, req events.APIGatewayProxyRequest, read []event.Decoded) (events.APIGatewayProxyResponse, error) {
	requestID := req.RequestContext.RequestID
	received := h.Clock.Now().UTC().Truncate(time.Microsecond)
	random := bufio.NewReaderSize(h.Random, len(read)*event.RandomBytes) // one read for all
	results := make([]api.EventResult, len(read))
	good := make([]event.Envelope, 0, len(read))
	for i := range read {
		d := &read[i]
		if len(d.Errors) == 0 {
			d.Errors = h.identify(&d.Event, received, random)
		}
		if len(d.Errors) > 0 {
			results[i] = refused(i, d.Errors)
			continue
		}
		results[i] = accepted(i, d.Event)
		good = append(good, event.Envelope{Event: d.Event, ReceivedAt: received, RequestID: requestID, Index: i})
	}
	stored, err := h.put(ctx, good)
	if err != nil {
		h.Log.ErrorContext(ctx, "events not stored", "request", requestID, "err", err)
	}
	for n, e := range good {
		if !stored[n] {
			setUnavailable(&results[e.Index])
		}
	}
	count, first := rejected(results)
	h.logRejected(ctx, req, count, first)
	return h.answer(ctx, results)
}

// identify completes an event's identity and checks its time.
func (h *Handler) identify(e *event.Event, received time.Time, random io.Reader) []event.FieldError {
	if err := e.Identify(received, random); err != nil {
		return []event.FieldError{{Detail: err.Error()}}
	}
	e.Properties = h.privacy.Properties(e.Properties)
	if wrong, ok := e.CheckReplaced(); !ok {
		return []event.FieldError{wrong}
	}
	if wrong, ok := e.CheckReceipt(received, h.env.EventMaxAgeDays); !ok {
		return []event.FieldError{wrong}
	}
	e.UserID = h.privacy.User(e.UserID)
	return nil
}

func (h *Handler) count(ctx context.Context, accepted, refused, unavailable int) {
	h.Metrics.Emit(ctx,
		emf.Metric{Name: contract.MetricAccepted, Value: float64(accepted)},
		emf.Metric{Name: contract.MetricRefused, Value: float64(refused)},
		emf.Metric{Name: contract.MetricUnavailable, Value: float64(unavailable)},
	)
}

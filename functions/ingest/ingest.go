// Package ingest accepts events over HTTP and puts them on the stream. An
// event is acknowledged only after the stream has acknowledged it.
package ingest

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/event"
)

// Stream is what ingest needs of Kinesis; *kinesis.Client has it.
type Stream interface {
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
}

// Metrics takes counts; *emf.Writer does.
type Metrics interface {
	Emit(metrics ...emf.Metric) error
}

// Handler answers POST /events.
type Handler struct {
	Stream     Stream
	StreamName string
	// MaxAgeDays is how old an event may be at its receipt, 1 to 365 days.
	MaxAgeDays int
	Now        func() time.Time
	// Random is where ids come from: crypto/rand.Reader.
	Random io.Reader
	// Wait pauses between tries, or returns the context's error.
	Wait    func(context.Context, time.Duration) error
	Metrics Metrics
	Log     *slog.Logger
}

// retryAfterSeconds is what a client is told when the stream can't take events.
const retryAfterSeconds = 2

// Handle answers one request. Its error is for what never happens to a
// request; whatever a client sends gets an answer.
func (h *Handler) Handle(ctx context.Context, req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	body, refused := readBody(req)
	if refused == nil {
		read, wrong := event.Read(body)
		if wrong == nil {
			return h.accept(ctx, req.RequestContext.RequestID, read)
		}
		p := api.NewProblem(http.StatusBadRequest, wrong.Detail)
		refused = &p
	}
	h.count(ctx, 0, 1, 0)
	return refused.Response()
}

// accept puts the good events on the stream, and tells what became of each.
func (h *Handler) accept(ctx context.Context, requestID string, read []event.Decoded) (events.APIGatewayProxyResponse, error) {
	received := h.Now().UTC().Truncate(time.Microsecond)
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
	return h.answer(ctx, results)
}

// identify completes an event's identity and judges its time.
func (h *Handler) identify(e *event.Event, received time.Time, random io.Reader) []event.FieldError {
	if err := e.Identify(received, random); err != nil {
		return []event.FieldError{{Detail: err.Error()}}
	}
	if wrong, ok := e.CheckReplaced(); !ok {
		return []event.FieldError{wrong}
	}
	if wrong, ok := e.CheckReceipt(received, h.MaxAgeDays); !ok {
		return []event.FieldError{wrong}
	}
	return nil
}

func (h *Handler) count(ctx context.Context, accepted, refused, unavailable int) {
	err := h.Metrics.Emit(
		emf.Metric{Name: contract.MetricAccepted, Value: float64(accepted)},
		emf.Metric{Name: contract.MetricRefused, Value: float64(refused)},
		emf.Metric{Name: contract.MetricUnavailable, Value: float64(unavailable)},
	)
	if err != nil {
		h.Log.ErrorContext(ctx, "metrics not written", "err", err)
	}
}

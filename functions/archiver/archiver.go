// Package archiver writes every record of the stream to the raw archive. It
// does not decode the records, so an invalid record can't stop it.
package archiver

import (
	"context"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
)

// Objects stores the archive's objects; archive.Writer satisfies it.
type Objects interface {
	// Put stores an object. If the key exists, Put must succeed.
	Put(ctx context.Context, key string, body []byte) error
}

// Deps are the dependencies of a Handler.
type Deps struct {
	Objects Objects
	Metrics emf.Emitter
	Log     *slog.Logger
}

// Handler handles the archiver's invocations.
type Handler struct {
	Deps
	env contract.Archiver
}

// New returns a handler. Deps.Objects must write to the environment's bucket.
func New(env contract.Archiver, d Deps) *Handler { return &Handler{d, env} }

// Handle writes a batch of one shard, with one object per hour of arrival. If a
// write fails, the response contains the first record that isn't written, where
// Lambda retries. It never gives up a record and never returns an error.
func (h *Handler) Handle(ctx context.Context, batch events.KinesisEvent) (events.KinesisEventResponse, error) {
	records := make([]archive.ArchivedRecord, len(batch.Records))
	for i, r := range batch.Records {
		records[i] = archive.FromEvent(r, len(h.env.StreamFormats) > 0)
	}
	var resp events.KinesisEventResponse
	failed, lines := len(records), 0
	for _, o := range archive.Objects(records) {
		n, err := h.write(ctx, o)
		if err != nil {
			h.Log.ErrorContext(ctx, "object not written", "key", o.Key, "err", err)
			failed = min(failed, o.First)
			continue
		}
		lines += n
	}
	if failed < len(records) {
		resp.BatchItemFailures = []events.KinesisBatchItemFailure{{ItemIdentifier: records[failed].Sequence}}
	}
	h.Metrics.Emit(ctx, emf.Metric{Name: contract.MetricArchived, Value: float64(lines)})
	return resp, nil
}

func (h *Handler) write(ctx context.Context, o archive.Object) (lines int, err error) {
	body, lines, err := o.Encode()
	if err != nil {
		return 0, err
	}
	return lines, h.Objects.Put(ctx, o.Key, body)
}

// Package processor loads events from the stream into the warehouse and updates
// the cache.
package processor

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/cache"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/emf"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Warehouse loads events; *warehouse.DB satisfies it.
type Warehouse interface {
	cache.Source
	// Load loads a chunk in one transaction, exactly once.
	Load(context.Context, warehouse.Chunk) (warehouse.Loaded, error)
}

// Cache receives the loaded changes; *cache.Cache satisfies it.
type Cache interface {
	Update(ctx context.Context, source cache.Source, rows []warehouse.MinuteRow, users map[string][]string) error
}

// Objects stores the bytes of quarantined lines; archive.Writer satisfies it.
type Objects interface {
	Put(ctx context.Context, key string, body []byte) error
}

// Deps are the dependencies of a Handler.
type Deps struct {
	Warehouse Warehouse
	Cache     Cache
	Objects   Objects
	Clock     pause.Clock
	Metrics   emf.Emitter
	Log       *slog.Logger
}

// Handler handles the processor's invocations, one at a time.
type Handler struct {
	Deps
	env contract.Processor
	// limits is the maximum number of events of a chunk, by shard, after loads
	// timed out; for other shards it is warehouse.MaxChunk.
	limits map[string]int
}

// New returns a handler. Deps must be connected to the stores in the
// environment.
func New(env contract.Processor, d Deps) *Handler { return &Handler{Deps: d, env: env} }

const (
	// reserve is the part of the invocation's time in which no new chunk is
	// started; a chunk that is being loaded is canceled when answerTime is left.
	reserve    = 10 * time.Second
	answerTime = 2 * time.Second
	// cacheTime is the timeout for updating the cache after a chunk.
	cacheTime = 3 * time.Second
	// keepTime is the timeout for writing a quarantine object: the transaction
	// is open meanwhile, and the server ends a transaction that is idle for 10
	// seconds.
	keepTime = 8 * time.Second
)

// totals are the sums over the chunks of an invocation.
type totals struct {
	warehouse.Loaded
	cacheErrors int
	// committed is the arrival of the newest loaded record.
	committed time.Time
}

// Handle loads a batch of one shard in chunks of whole records, one transaction
// per chunk, in stream order. After a temporary error, or near the deadline,
// the response contains the first record that isn't committed, where Lambda
// retries. Handle does not return an error: Lambda would halve the batch, which
// does not help if the database is unavailable.
func (h *Handler) Handle(ctx context.Context, batch events.KinesisEvent) (events.KinesisEventResponse, error) {
	records := make([]archive.ArchivedRecord, len(batch.Records))
	for i, r := range batch.Records {
		records[i] = archive.FromEvent(r, len(h.env.StreamFormats) > 0)
	}
	var resp events.KinesisEventResponse
	var sum totals
	for i, c := range h.cut(records) {
		if i > 0 && nearDeadline(ctx) {
			h.Log.InfoContext(ctx, "out of time", "from", c.FirstSeq)
			resp.BatchItemFailures = failFrom(c)
			break
		}
		loaded, err := h.load(ctx, c)
		if err != nil {
			h.Log.ErrorContext(ctx, "records not loaded", "shard", c.Shard, "from", c.FirstSeq, "err", err)
			h.slowDown(c, err)
			resp.BatchItemFailures = failFrom(c)
			break
		}
		h.speedUp(c)
		h.publish(ctx, c, loaded, &sum)
	}
	h.count(ctx, sum)
	return resp, nil
}

// cut splits a batch into chunks, smaller ones if the shard's loads timed out.
func (h *Handler) cut(records []archive.ArchivedRecord) []*chunk.Chunk {
	if len(records) == 0 {
		return nil
	}
	limit := warehouse.MaxChunk
	if n := h.limits[records[0].Shard]; n > 0 {
		limit = n
	}
	return chunk.Cut(records, limit)
}

// slowDown halves the shard's chunks after a timeout: a trigger that is slow
// for every event then delays the shard instead of stopping it.
func (h *Handler) slowDown(c *chunk.Chunk, err error) {
	if !warehouse.IsTimeout(err) {
		return
	}
	if h.limits == nil {
		h.limits = map[string]int{}
	}
	h.limits[c.Shard] = max(1, c.Lines/2)
}

// speedUp doubles the shard's chunks after a successful load.
func (h *Handler) speedUp(c *chunk.Chunk) {
	n := h.limits[c.Shard]
	if n *= 2; n >= warehouse.MaxChunk {
		delete(h.limits, c.Shard)
	} else if n > 0 {
		h.limits[c.Shard] = n
	}
}

// publish adds the loaded events to the totals and to the cache.
func (h *Handler) publish(ctx context.Context, c *chunk.Chunk, loaded warehouse.Loaded, sum *totals) {
	sum.add(loaded)
	sum.committed = c.Arrived
	if sum.cacheErrors > 0 {
		return // the cache failed: don't wait for it again with every chunk
	}
	if err := h.updateCache(ctx, loaded); err != nil {
		h.Log.ErrorContext(ctx, "cache not updated", "shard", c.Shard, "from", c.FirstSeq, "err", err)
		sum.cacheErrors++
	}
}

func nearDeadline(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < reserve
}

func failFrom(c *chunk.Chunk) []events.KinesisBatchItemFailure {
	return []events.KinesisBatchItemFailure{{ItemIdentifier: c.FirstSeq}}
}

func (h *Handler) load(ctx context.Context, c *chunk.Chunk) (warehouse.Loaded, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-answerTime))
		defer cancel()
	}
	c.Formats = h.env.StreamFormats
	c.Keep = func(ctx context.Context, bad []warehouse.Rejected) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, keepTime)
		defer cancel()
		lines := make([]archive.Line, len(bad))
		for i, b := range bad {
			lines[i] = c.Line(b)
			h.Log.WarnContext(ctx, "line quarantined", "shard", c.Shard, "seq", b.Seq, "i", b.I, "reason", b.Reason)
		}
		key, body, err := archive.Quarantine(lines)
		if err != nil {
			return "", err
		}
		return key, h.Objects.Put(ctx, key, body)
	}
	c.RejectAll = h.Clock.Now().Sub(c.Oldest) >= warehouse.RejectAfter
	return h.Warehouse.Load(ctx, c.Chunk)
}

func (h *Handler) updateCache(ctx context.Context, l warehouse.Loaded) error {
	ctx, cancel := context.WithTimeout(ctx, cacheTime)
	defer cancel()
	return h.Cache.Update(ctx, h.Warehouse, l.Minutes, l.Users)
}

func (t *totals) add(l warehouse.Loaded) {
	t.Inserted += l.Inserted
	t.Duplicates += l.Duplicates
	t.Quarantined += l.Quarantined
	t.Expired += l.Expired
	t.Folded += l.Folded
}

func (h *Handler) count(ctx context.Context, t totals) {
	metrics := []emf.Metric{
		{Name: contract.MetricInserted, Value: float64(t.Inserted)},
		{Name: contract.MetricDuplicates, Value: float64(t.Duplicates)},
		{Name: contract.MetricQuarantined, Value: float64(t.Quarantined)},
		{Name: contract.MetricExpired, Value: float64(t.Expired)},
		{Name: contract.MetricFolded, Value: float64(t.Folded)},
		{Name: contract.MetricCacheErrors, Value: float64(t.cacheErrors)},
	}
	if !t.committed.IsZero() {
		metrics = append(metrics, emf.Metric{Name: contract.MetricLag, Value: float64(h.Clock.Now().Sub(t.committed).Milliseconds()), Unit: emf.Milliseconds})
	}
	h.Metrics.Emit(ctx, metrics...)
}

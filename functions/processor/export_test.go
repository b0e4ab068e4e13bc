package processor

import (
	"context"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// LoadWith loads the records of one chunk with other measures.
func (h *Handler) LoadWith(ctx context.Context, records []archive.ArchivedRecord, measures func(event.Event) ([]metric.Contribution, error)) (warehouse.Loaded, error) {
	c := chunk.First(records, warehouse.MaxChunk)
	c.Measures = measures
	return h.load(ctx, c)
}

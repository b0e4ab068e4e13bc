package processor

import (
	"context"

	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/event"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// LoadWith loads the records of one chunk with other measures.
func (h *Handler) LoadWith(ctx context.Context, records []archive.ArchivedRecord, measures func(event.Event) ([]metric.Contribution, error)) (warehouse.Loaded, error) {
	c := cut(records, warehouse.MaxChunk)[0]
	c.measures = measures
	return h.load(ctx, c)
}
